"""Candidate hallucination neurons in words: sentences, tables for a terminal, tiles."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from inspector.detectors.effects_text import change, effects_table
from inspector.detectors.hneurons.frames import longest_run
from inspector.detectors.measured import Measured
from inspector.detectors.shown import Cell, TextTable, Tile, cells_of
from inspector.records import Evidence, Sentence, metric_words

OUR_OWN = ("probe", "probe 3-vs-1", "headline", "random", "shuffled")
"""Scores that a sentence doesn't set beside the probe."""

NEURONS_SHOWN = 12


def found(m: Measured) -> Iterator[Sentence]:
    """What a hallucination study found, and how it compares with cheaper scores."""
    scores, table, t = m.frame("scores").set_index("name"), m.frame("candidates"), m.thresholds
    candidates = table[table["verdict"] != ""]
    probe, random = scores.loc["probe"], scores.loc["random"]
    per_fold = m.evidence.facts["neurons_by_fold"]
    yield Sentence(
        m.name,
        f"Hallucination neurons: a probe of {min(per_fold)}–{max(per_fold)} neurons distinguishes incorrect from "
        f"correct answers with AUROC {probe['auroc']:.3f} [{probe['low']:.3f}, {probe['high']:.3f}] on "
        f"{int(probe['n']):,} answers that it was not fitted on; as many random neurons {random['auroc']:.3f} (95th "
        f"percentile {random['high']:.3f}).",
    )
    rivals = [f"{name} {area:.3f}" for name, area in scores["auroc"].items() if name not in OUR_OWN]
    shuffled = f"shuffled labels {scores.loc['shuffled', 'auroc']:.3f}"
    yield Sentence(m.name, f"Beside it: {', '.join(rivals)}; {shuffled}.")
    yield from _beside_the_best(m, scores)
    if "reliability" in m.frames:
        yield Sentence(m.name, _headline(m, scores.loc["headline"]))
    if "elastic_count" in m.evidence.arrays:
        yield Sentence(m.name, _elastic(m.evidence))
    if "domains" in m.frames:
        yield from _between_domains(m.frame("domains"), m.name)
    if "k_curve" in m.frames:
        yield Sentence(m.name, _over_neurons(m.frame("k_curve")))
    if len(candidates):
        yield Sentence(m.name, _candidates(candidates, len(table), t))
    else:
        text = f"No neuron is a candidate (stability ≥ {t.stability:g}, q < {t.q:g} on held-out answers)."
        yield Sentence(m.name, text)
    if "explained_by" in table and (table["explained_by"] != "").any():
        yield Sentence(m.name, _explained(table[table["explained_by"] != ""]))


def _beside_the_best(m: Measured, scores: pd.DataFrame) -> Iterator[Sentence]:
    """The probe and the best score that looks neither at activations nor at what chose the labels, side by side."""
    cheap = scores.loc[scores["plain"], "auroc"].dropna()
    best = scores.loc[cheap.idxmax()] if len(cheap) else None
    if best is None or pd.isna(best["probe_minus_low"]):
        return
    low, high = best["probe_minus_low"], best["probe_minus_high"]
    verdict = "better than" if low > 0 else "worse than" if high < 0 else "not significantly different from"
    yield Sentence(
        m.name,
        f"The probe is {verdict} the best of them that looks at no activation, {best.name}: a "
        f"difference in AUROC of {best['probe_minus']:+z.3f} [{low:+z.3f}, {high:+z.3f}] on the same answers.",
    )


def _headline(m: Measured, scored: pd.Series) -> str:
    """What new answers' risk is made of, and how far it can be believed."""
    filled = m.frame("reliability")
    filled = filled[filled["n"] > 0]
    chosen = {"all together": "the probe and all scores of one pass", "all but the probe": "all scores of one pass"}
    of = m.evidence.facts["headline"]
    base = float(m.evidence["headline_base"][0])
    ends = "; ".join(
        f"of {row.n:,.0f} with {row.low:.1f} to {row.high:.1f}, {row.wrong:,.0f} were incorrect"
        for row in (filled.iloc[-1], filled.iloc[0])
    )
    return (
        f"The risk that answers are given is made of {chosen.get(of, of)}, chosen and calibrated by answers that it "
        f"wasn't fitted on ({base:.0%} of them are incorrect): AUROC {scored['auroc']:.3f} [{scored['low']:.3f}, "
        f"{scored['high']:.3f}]; {ends}."
    )


def _elastic(e: Evidence) -> str:
    """What an elastic net chooses on the same answers."""
    count, also, chosen = int(e["elastic_count"][0]), int((e["elastic_weight"] != 0).sum()), len(e["elastic_weight"])
    said = f"An elastic net (half L1, half L2) takes {count:,} neurons, {also} of the probe's {chosen} among them"
    if np.isnan(e["elastic_auroc"][0]):
        return f"{said}."
    area, low, high = (e[f"elastic_{name}"][0] for name in ("auroc", "low", "high"))
    return f"{said}; its AUROC on the held-out answers is {area:.2f} [{low:.2f}, {high:.2f}]."


def _between_domains(table: pd.DataFrame, name: str) -> Iterator[Sentence]:
    """How well probes of one domain work within it and on the others."""
    own = table["source"] == table["target"]
    inside, across = (table.loc[rows, "auroc"].dropna() for rows in (own, ~own))
    if len(inside) and len(across):
        yield Sentence(
            name,
            f"Probes of a single domain have a mean AUROC of {inside.mean():.2f} within it ({len(inside)} domains) and "
            f"{across.mean():.2f} on the others ({len(across)} pairs, {across.min():.2f} to {across.max():.2f}).",
        )


def _over_neurons(curve: pd.DataFrame) -> str:
    """For which numbers of neurons it matters which they are."""
    last, run = curve.iloc[-1], curve.iloc[longest_run(curve["better"])]
    many = f"{int(last['k']):,} random neurons have AUROC {last['random']:.3f}, as many chosen ones {last['auroc']:.3f}"
    chosen = "Neurons whose means differ most between correct and incorrect answers are"
    if run.empty:
        return f"{chosen} no better than as many random ones; {many}."
    return f"{chosen} better than as many random ones from k = {run['k'].iloc[0]:,} to {run['k'].iloc[-1]:,}; {many}."


def _explained(table: pd.DataFrame) -> str:
    """Neurons that distinguish answers, but no better than what needs no neuron."""
    counted = "; ".join(f"{count} by {what}" for what, count in table["explained_by"].value_counts().items())
    number = "1 more neuron distinguishes" if len(table) == 1 else f"{len(table)} more neurons distinguish"
    return f"{number} held-out answers, but only as well as scores that need no neuron; explained {counted}."


def _candidates(candidates: pd.DataFrame, of: int, t: object) -> str:
    stability, q = getattr(t, "stability", 0.0), getattr(t, "q", 0.0)
    verdicts = candidates["verdict"].value_counts().drop("candidate", errors="ignore")
    counted = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())
    causes = f" Tested as causes: {counted}." if counted else " Whether they cause them is not tested."
    named = ", ".join(f"{row.neuron} of layer {row.layer}" for row in candidates.head(3).itertuples())
    beyond = " and beyond length, entropy and log-probability" if "added_q" in candidates else ""
    number = f"{len(candidates):,} candidate neuron{'' if len(candidates) == 1 else 's'}"
    return (
        f"{number} of {of} in the final probe raise the risk, are chosen in ≥ {stability:.0%} of bootstraps and "
        f"distinguish held-out answers alone{beyond} (q < {q:g}); the heaviest: {named}. They predict incorrect "
        f"answers.{causes}"
    )


def tested(m: Measured) -> Iterator[Sentence]:
    """What scaling the candidates did."""
    scaled = {one.metric: one for one in m.effects if one.op == "scale"}
    if "made_up" not in scaled:
        return
    made_up = scaled["made_up"]
    prose = "".join(
        f" The loss of ordinary prose: {one.change:+z.4f} [{one.low:+z.4f}, {one.high:+z.4f}]."
        for metric, one in scaled.items()
        if metric == "loss"
    )
    yield Sentence(
        m.name,
        f"Tested: {made_up.target}, scaled by 0 to 3, per unit of α: {change(made_up, 'share of incorrect answers')}: "
        f"{made_up.verdict}.{prose}",
        tested=True,
    )


def tables(m: Measured) -> Iterator[TextTable]:
    """Scores, the probe's neurons and transfers; then what was tested and compared."""
    yield _scores(m.frame("scores"))
    yield _neurons(m.frame("candidates"))
    if len(m.frame("transfers")):
        yield _transfers(m.frame("transfers"))
    if m.effects:
        yield effects_table(m, "Tested: the change of each metric, beside the same done to matched random controls")
    for name, make in (("alpha", _alpha), ("guard", _guard), ("decoding", decoding)):
        if m.has(name):
            yield make(m.frame(name))


def _scores(scores: pd.DataFrame) -> TextTable:
    drawn = scores["n"].isna()
    shown = scores.assign(draws=drawn.map({True: " (draws)", False: ""}), rated=scores["accuracy"].notna())
    return TextTable(
        f"Distinguishing incorrect from correct answers, on {int(scores['n'].max()):,} answers not fitted on; in "
        "brackets by chance",
        shown,
        {
            "predictor": "{name}{draws}",
            "AUROC": "{auroc:.3f}",
            "interval": "{low:.3f}–{high:.3f}",
            "probe ahead by": lambda row: (
                f"{row.probe_minus:+z.3f} ± {(row.probe_minus_high - row.probe_minus_low) / 2:.3f}"
                if pd.notna(row.probe_minus_low)
                else ""
            ),
            "PRR": lambda row: "" if row.draws else f"{row.prr:.3f}",
            "accuracy": lambda row: f"{row.accuracy:.3f}" if row.rated else "",
            "miscalibrated": lambda row: (
                f"{row.calibration_error:.3f} ({row.calibration_floor:.3f})" if row.rated else ""
            ),
        },
        left=("predictor",),
    )


def _neurons(found: pd.DataFrame) -> TextTable:
    shown = f"the {min(NEURONS_SHOWN, len(found))} heaviest of {len(found)}"
    return TextTable(
        f"Hallucination neurons: {shown} in the final probe; AUROC of each alone, and within relations",
        found.head(NEURONS_SHOWN),
        {
            "layer": "{layer}",
            "neuron": "{neuron}",
            "weight": "{weight:+z.3f}",
            "stability": "{stability:.2f}",
            "alone": "{auroc:.3f}",
            "interval": lambda row: "" if pd.isna(row.low) else f"{row.low:.3f}–{row.high:.3f}",
            "within": "{within:.3f}",
            "q": "{q:.2g}",
            "q beyond": lambda row: "" if pd.isna(getattr(row, "added_q", None)) else f"{row.added_q:.2g}",
            "verdict": lambda row: row.verdict or _because(row),
        },
        left=("verdict",),
    )


def _because(row: Any) -> str:
    why = getattr(row, "explained_by", "")
    return f"explained by {why}" if why else "–"


def _transfers(transfers: pd.DataFrame) -> TextTable:
    return TextTable(
        "Transfer: a probe of some answers, tried on others",
        transfers,
        {
            "fitted on": "{source}",
            "tried on": "{target}",
            "correct": "{right}",
            "incorrect": "{wrong}",
            "AUROC": "{auroc:.3f}",
            "interval": lambda row: "" if pd.isna(row.low) else f"{row.low:.3f}–{row.high:.3f}",
            "logprob": "{logprob:.3f}",
        },
        left=("fitted on", "tried on"),
    )


def _alpha(alpha: pd.DataFrame) -> TextTable:
    return TextTable(
        "Candidate neurons scaled by α, beside matched random controls (95 %)",
        alpha.sort_values(["metric", "alpha"]),
        {
            "metric": lambda row: metric_words(row.metric),
            "α": "{alpha:g}",
            "value": "{value:.3f}",
            "interval": "{low:.3f} … {high:.3f}",
            "controls": "{twin_low:.3f} … {twin_high:.3f}",
            "n": "{n}",
        },
        left=("metric",),
    )


def _guard(policies: pd.DataFrame) -> TextTable:
    return TextTable(
        "Guarding, on questions that the probe was not fitted on",
        policies,
        cells_of(policies, GUARD),
        left=("policy", "by"),
    )


GUARD: Mapping[str, Cell] = {
    "policy": "{policy}",
    "by": "{by}",
    "coverage": "{coverage:.2f}",
    "accuracy": "{accuracy:.2f}",
    "incorrect": "{wrong:.3f}",
    "interval": "{wrong_low:.3f} … {wrong_high:.3f}",
    "area under risk–coverage": "{aurc:.3f} ({aurc_low:.3f} … {aurc_high:.3f})",
    "accuracy at 50 %": "{accuracy_50:.2f}",
    "n": "{n}",
}
"""A policy as a row of a table."""


def decoding(family: pd.DataFrame) -> TextTable:
    """The decoding family (frame `decoding`)."""
    return TextTable(
        f"Decoding {family['n'].iloc[0]} questions that the probe was not fitted on",
        family,
        {
            "member": "{member}",
            "accuracy": "{accuracy:.3f}",
            "less greedy's": partial(_less_greedy, "accuracy"),
            "inconsistent": lambda row: "" if pd.isna(row.mixed) else f"{row.mixed:.2f}",
            "risk": "{risk:.3f}",
            "risk less greedy's": partial(_less_greedy, "risk"),
        },
        left=("member",),
    )


def _less_greedy(name: str, row: Any) -> str:
    """A member's change against greedy decoding, with its interval."""
    if row.member == "greedy":
        return ""
    change, low, high = (getattr(row, f"{name}_change{end}") for end in ("", "_low", "_high"))
    return f"{change:+z.2f} ({low:+z.2f} … {high:+z.2f})"


def tiles(m: Measured) -> Iterator[Tile]:
    """How many candidates, and the probe's AUROC."""
    found, scores = m.frame("candidates"), m.frame("scores").set_index("name")["auroc"]
    verdicts = found.loc[found["verdict"] != "", "verdict"].replace("candidate", "not tested").value_counts()
    counted = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items()) or "none"
    yield Tile("Candidate neurons", f"{int(verdicts.sum()):,}", f"of the probe's {len(found)}; as causes: {counted}")
    yield Tile("Probe's AUROC", f"{scores['probe']:.2f}", f"first-token entropy {scores['entropy']:.2f}")
