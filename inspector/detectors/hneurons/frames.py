"""From a study's evidence to findings and tables: numpy and pandas, no model."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from inspector.detectors.hneurons.arrays import (
    EXPLAINED,
    LABELS,
    SPLITS,
    Added,
    Curve,
    Domains,
    ProbeArrays,
    Scores,
    Tested,
    Transfer,
    transfers_of,
)
from inspector.detectors.hneurons.frames_answers import answer_scores
from inspector.detectors.hneurons.schema import BaselineFact
from inspector.detectors.hneurons.thresholds import Thresholds
from inspector.detectors.measured import Measured
from inspector.detectors.shown import Frame, verdict_by
from inspector.records import Evidence, Finding
from inspector.stats import auroc_difference, calibration_floor, mean_interval, prediction_rejection


def candidates(evidence: Evidence, t: Thresholds) -> pd.DataFrame:
    """The probe's neurons, the heaviest first; `verdict` is empty where one is no candidate.

    One that would be, but adds nothing to the answer's length, entropy and log-probability, says what explains it.
    """
    probe, tested = ProbeArrays.of(evidence.arrays), Tested.of(evidence.arrays)
    table = pd.DataFrame({"layer": probe.layer, "neuron": probe.neuron, "weight": probe.weight, **vars(tested)})
    passed = (table["weight"] > 0) & (table["stability"] >= t.stability) & (table["q"] < t.q)
    adds = np.ones(len(table), dtype=bool)
    if "added_q" in evidence.arrays:
        added = Added.of(evidence.arrays)
        adds = added.q < t.q
        table["added_q"] = added.q
        table["explained_by"] = np.where(passed & ~adds, np.array(EXPLAINED)[added.explained], "")
    if "elastic_weight" in evidence.arrays:
        table["elastic_net"] = evidence["elastic_weight"]
    table["verdict"] = np.where(passed & adds, "candidate", "")
    return table.sort_values("weight", ascending=False, ignore_index=True)


NO_NEURON = ("length", "entropy", "logprob", "relation")
"""Scores that look at no activation, in runs that don't say which do."""


def scores(evidence: Evidence, asked: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Every predictor on answers not fitted on; of `random` and `shuffled` the mean, 5 % and 95 % of the draws.

    Args:
        evidence: a study's.
        asked: its table of answers: those on one subject count together.
    """
    e = evidence
    table = pd.DataFrame({"name": e.facts["predictors"], **vars(Scores.of(e.arrays))})
    table["calibration_floor"] = [_floor(e, odds) for odds in e["odds"]]
    table.loc[table["calibration_error"].isna(), "calibration_floor"] = np.nan
    subject = _subjects(asked)
    table = table.join(pd.DataFrame([_compared(e, odds, subject) for odds in e["odds"]]))
    known = e.facts.get("baselines")
    plain = NO_NEURON if known is None else [one["name"] for one in known if not one["caveat"]]
    table["plain"] = table["name"].isin(plain)
    draws = {"random": e["random_auroc"], "shuffled": e["shuffled_auroc"]}
    rows = [
        {"name": name, "auroc": areas.mean(), "low": np.quantile(areas, 0.05), "high": np.quantile(areas, 0.95)}
        for name, areas in draws.items()
        if len(areas)
    ]
    return pd.concat([table, pd.DataFrame(rows).assign(plain=False)], ignore_index=True)


def _subjects(asked: Mapping[str, np.ndarray]) -> np.ndarray:
    """What each answer is about, its question where that isn't known: answers on one subject count together."""
    about = pd.Series(asked.get("subject", asked["question"])).fillna("").replace("", None)
    words = about.fillna(pd.Series(asked["question"])).astype(str).str.casefold().str.split().str.join(" ")
    return np.unique(words.to_numpy(), return_inverse=True)[1]


def baselines(evidence: Evidence) -> pd.DataFrame:
    """What the predictors that need no neuron are: name, formula, source, cost, caveat."""
    columns = list(BaselineFact.model_fields)
    return pd.DataFrame(evidence.facts.get("baselines", []), columns=columns)


def _compared(e: Evidence, odds: np.ndarray, subject: np.ndarray) -> dict[str, float]:
    """A predictor's prediction–rejection ratio, and how much larger the probe's AUROC is on the same answers."""
    probe = e["odds"][e.facts["predictors"].index("probe")]
    known = np.isfinite(odds) & np.isfinite(probe)
    made_up = e["label"][known] == LABELS.index("wrong")
    together = np.unique(subject[known], return_inverse=True)[1]
    ends = auroc_difference(probe[known], odds[known], made_up, together)
    if odds is probe or (odds[known] == probe[known]).all():
        ends = (np.nan, np.nan, np.nan)
    names = ("probe_minus", "probe_minus_low", "probe_minus_high")
    return {"prr": prediction_rejection(odds[known], made_up), **dict(zip(names, ends, strict=True))}


def _floor(e: Evidence, odds: np.ndarray) -> float:
    """What a predictor's calibration error would be if its risks were true."""
    known = np.isfinite(odds)
    made_up = e["label"][known] == LABELS.index("wrong")
    return calibration_floor(expit(odds[known]), float(made_up.mean()))


def k_curve(evidence: Evidence) -> pd.DataFrame:
    """AUROC over the number of neurons: chosen ones with an interval, and random ones' mean, 5 % and 95 % of draws."""
    curve = Curve.of(evidence.arrays)
    table = pd.DataFrame({"k": curve.k, "auroc": curve.auroc, "low": curve.low, "high": curve.high})
    table["random"] = curve.random.mean(axis=0)
    table["random_low"], table["random_high"] = np.quantile(curve.random, (0.05, 0.95), axis=0)
    spread = np.maximum(curve.random.std(axis=0), 1e-9)
    away = (curve.random - curve.random.mean(axis=0)) / spread
    bar = np.quantile(away.max(axis=1), 0.95)  # of each draw the largest over all k, since all of them are looked at
    table["better"] = (curve.auroc - curve.random.mean(axis=0)) / spread > bar
    return table


def longest_run(better: pd.Series) -> slice:
    """The longest unbroken run of rows for which this holds; an empty slice without any."""
    run = (~better).cumsum()[better]
    if run.empty:
        return slice(0, 0)
    rows = np.flatnonzero(better & ((~better).cumsum() == run.value_counts().idxmax()))
    return slice(int(rows[0]), int(rows[-1]) + 1)


def counts(evidence: Evidence) -> pd.DataFrame:
    """How many questions are correct, incorrect, inconsistent or abstained, by the agreement asked of the samples."""
    table = pd.DataFrame(evidence["counts"], columns=list(LABELS))
    table.insert(0, "agreement", evidence["agreements"])
    table["used"] = table["agreement"] == evidence.facts["agreement"]
    return table


def transfers(evidence: Evidence) -> pd.DataFrame:
    """Probes tried on relations that they were not fitted on."""
    names_of = [field.name for field in fields(Transfer)]
    table = pd.DataFrame([asdict(one) for one in transfers_of(evidence.facts)], columns=names_of)
    return table.astype(dict.fromkeys(("auroc", "low", "high", "logprob"), "float64"))  # null in JSON is NaN


def domains(evidence: Evidence) -> pd.DataFrame:
    """Probes of one domain, tried on each: source, target, right and wrong answers of the target, auroc, low, high."""
    d, names = Domains.of(evidence.arrays), evidence.facts["domains"]
    count = len(names)
    table = pd.DataFrame({"source": np.repeat(names, count), "target": np.tile(names, count)})
    for name in ("right", "wrong"):
        table[name] = np.tile(getattr(d, name), count)
    for name in ("auroc", "low", "high"):
        table[name] = getattr(d, name).ravel()
    return table


EDGES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Of the reliability table's risks."""


def reliability(evidence: Evidence, asked: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """How many of the answers with a headline risk in each range were incorrect; no fit saw the answer it gives one.

    Columns: low, high (of the risk), n, wrong (answers), share, share_low, share_high (95 %, answers on one subject
    together), risk (the mean).
    """
    odds = evidence["odds"][evidence.facts["predictors"].index("headline")]
    known = np.isfinite(odds)
    risk = expit(odds[known] + logit(evidence["headline_base"][0]))
    wrong = evidence["label"][known] == LABELS.index("wrong")
    subject = _subjects(asked)[known]
    place = np.clip(np.searchsorted(EDGES, risk, side="right") - 1, 0, len(EDGES) - 2)
    rows = []
    for number, (low, high) in enumerate(pairwise(EDGES)):
        mine = wrong[place == number]
        ends = (
            mean_interval(mine.astype(float), subject[place == number], share=True) if len(mine) else (np.nan, np.nan)
        )
        share, mean = (float(mine.mean()), float(risk[place == number].mean())) if len(mine) else (np.nan, np.nan)
        rows.append((low, high, len(mine), int(mine.sum()), share, float(ends[0]), float(ends[1]), mean))
    return pd.DataFrame(rows, columns=["low", "high", "n", "wrong", "share", "share_low", "share_high", "risk"])


def said_of(table: pd.DataFrame, risk: float) -> str:
    """What the reliability table says of a risk, in words."""
    if np.isnan(risk):
        return ""
    row = table[(table["low"] <= risk) & ((risk < table["high"]) | (table["high"] == 1.0))].iloc[0]
    if not row["n"]:
        return f"None of the study's answers had a risk of {row['low']:.1f} to {row['high']:.1f}."
    return (
        f"Of the study's {row['n']:,.0f} answers with a risk of {row['low']:.1f} to {row['high']:.1f}, "
        f"{row['wrong']:,.0f} were incorrect."
    )


def roc(evidence: Evidence) -> pd.DataFrame:
    """ROC curves of the predictors, at most 200 points each: name, false_alarms, caught."""
    made_up = evidence["label"] == LABELS.index("wrong")
    parts = []
    for name, odds in zip(evidence.facts["predictors"], evidence["odds"], strict=True):
        known = np.isfinite(odds)
        order = np.argsort(-odds[known], kind="stable")
        caught = np.cumsum(made_up[known][order]) / max(1, made_up[known].sum())
        false = np.cumsum(~made_up[known][order]) / max(1, (~made_up[known]).sum())
        keep = np.unique(np.linspace(0, len(order) - 1, 200).astype(int)) if len(order) else order
        parts.append(
            pd.DataFrame({"name": name, "false_alarms": np.r_[0, false[keep]], "caught": np.r_[0, caught[keep]]})
        )
    return pd.concat(parts, ignore_index=True)


def answers(evidence: Evidence, table: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """One row per question: question, accepted answers, greedy answer, label, risk, split."""
    frame = pd.DataFrame(dict(table))
    frame["label"] = [LABELS[i] for i in evidence["label"]]
    frame["risk"] = evidence["risk"]
    frame["split"] = [SPLITS[i] for i in evidence["split"]]
    for name in ("tokens", "entropy", "logprob", "agreeing"):
        frame[name] = evidence[name]
    return frame


FIRES_ON = 10
"""Answers listed for each neuron."""


def fires_on(evidence: Evidence, contributions: Evidence, table: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """For each of the probe's neurons the answers with its largest CETT: layer, neuron, rank, cett, and the answer."""
    flat = contributions["answer"].reshape(len(contributions["answer"]), -1)
    probe = ProbeArrays.of(evidence.arrays)
    cett = flat[:, probe.column].astype(np.float32)
    rows = np.argsort(-cett, axis=0, kind="stable")[:FIRES_ON]
    told = answers(evidence, table)
    parts = []
    for column, best in enumerate(rows.T):
        part = told.loc[best, ["id", "question", "answer", "label", "risk"]].reset_index(drop=True)
        place = {"layer": probe.layer[column], "neuron": probe.neuron[column]}
        parts.append(part.assign(**place, rank=range(len(best)), cett=cett[best, column]))
    columns = ["layer", "neuron", "rank", "cett", "id", "question", "answer", "label", "risk"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def findings(evidence: Evidence, t: Thresholds) -> tuple[Finding, ...]:
    """Candidates, the heaviest weight first."""
    table = candidates(evidence, t)
    return tuple(
        Finding(
            detector="hneurons",
            kind="neuron",
            layer=int(row.layer),
            unit=int(row.neuron),
            position=None,
            token=None,
            score=float(row.auroc),
            low=float(row.low),
            high=float(row.high),
            threshold=t.q,
            verdict="candidate",
        )
        for row in table[table["verdict"] == "candidate"].itertuples()
    )


def _kept(name: str, *whole: str) -> Frame:
    """A table of the record as it is; `whole` are columns of whole numbers that can be missing."""

    def make(m: Measured) -> pd.DataFrame:
        return pd.DataFrame(dict(m.record.tables[name])).astype(dict.fromkeys(whole, "Int64"))

    return Frame(make, present=lambda m: name in m.record.tables)


FRAMES: Mapping[str, Frame] = {
    "candidates": Frame(lambda m: candidates(m.evidence, m.thresholds), verdicts=verdict_by("layer", "neuron")),
    "scores": Frame(lambda m: scores(m.evidence, m.record.tables["answers"])),
    "baselines": Frame(lambda m: baselines(m.evidence), present=lambda m: "baselines" in m.evidence.facts),
    "k_curve": Frame(lambda m: k_curve(m.evidence), present=lambda m: "curve_k" in m.evidence.arrays),
    "domains": Frame(lambda m: domains(m.evidence), present=lambda m: len(m.evidence.facts.get("domains", ())) > 1),
    "reliability": Frame(
        lambda m: reliability(m.evidence, m.record.tables["answers"]),
        present=lambda m: "headline_base" in m.evidence.arrays,
    ),
    "counts": Frame(lambda m: counts(m.evidence)),
    "transfers": Frame(lambda m: transfers(m.evidence)),
    "roc": Frame(lambda m: roc(m.evidence)),
    "answers": Frame(lambda m: answers(m.evidence, m.record.tables["answers"])),
    "answer_scores": Frame(lambda m: answer_scores(m.evidence, m.record.tables["answers"])),
    "fires_on": Frame(
        lambda m: fires_on(m.evidence, m.controls["contributions"], m.record.tables["answers"]),
        present=lambda m: "contributions" in m.controls,
    ),
    "states": _kept("hneurons.states", "dim"),
    "tokens": _kept("hneurons.tokens", "text", "position"),
}
"""The detector's frames by name."""
