"""A run in plain sentences: what was found, what it means, and what it doesn't."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from inspector.records import Record
from inspector.run.tables import frame, names, thresholds
from inspector.show.sentences_effects import tested

PLATEAUS_SHOWN = 6


def paragraphs(record: Record) -> list[str]:
    """The run's findings as sentences, after the model, the input, and what to know about them."""
    return [*_header(record), *record.notes, *massive(record), *_sinks(record), *hneurons(record), *tested(record)]


def _header(record: Record) -> Iterator[str]:
    card, settings = record.card, record.settings
    difference = card.get("logit_difference")
    checked = "not compared" if difference is None else f"differ from Hugging Face's by at most {difference:.1e}"
    yield (
        f"{card['name']} ({card['architecture']}, {card['parameters'] / 1e6:,.0f} M parameters, {card['dtype']}, from "
        f"{card['source']}); logits {checked}."
    )
    if "study" in settings:
        yield _asked(settings["study"])
        return
    tokens, texts = len(record.tokens["id"]), len(set(record.tokens["text"].tolist()))
    window = f", windows of at most {settings['window']}"
    sources = len(set(record.tokens["source"].tolist()))
    cut = "" if sources == texts else f" in {texts} windows"
    fed = f"{_count(sources, 'text')}{cut}, {_count(tokens, 'token')}{window}"
    yield f"{fed}; BOS {settings['bos']}; attention {settings['attention']}."


def _asked(study: Mapping[str, Any]) -> str:
    how = f"T = {study['temperature']:g}, top-p {study['top_p']:g}, top-k {study['top_k']}"
    return (
        f"{study['questions']:,} questions, each answered once greedily and by {study['samples']} samples ({how}), in "
        f"the {study['form']['name']} form; answers judged by {study['judge']}."
    )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def massive(record: Record) -> Iterator[str]:
    """What is massive, by the thresholds in force, and the life cycle of each plateau."""
    if "massive.plateaus" not in names(record):
        return
    layers, plateaus = frame(record, "massive.layers"), frame(record, "massive.plateaus")
    flagged = layers[layers["n_flagged"] > 0]
    if not len(flagged):
        seen = layers.dropna(subset=["ratio"])
        if not len(seen):
            yield "Massive activations: insufficient data, no layer had a finite activation."
            return
        top = seen.loc[seen["ratio"].idxmax()]
        yield (
            f"Massive activations: none by the definition in force. The largest entry is {top['max']:,.1f}, "
            f"{top['ratio']:,.0f} × the median, at layer {int(top['layer'])}."
        )
    else:
        top = flagged.loc[flagged["max"].idxmax()]
        yield (
            f"Massive activations: {int(flagged['n_flagged'].sum()):,} entries in {len(flagged)} layers; the largest "
            f"is {top['max']:,.1f} in dim {int(top['dim'])} at position {int(top['position'])}, layer "
            f"{int(top['layer'])}, {top['ratio']:,.0f} × the median."
        )
    for plateau in plateaus[plateaus["main"]].head(PLATEAUS_SHOWN).itertuples():
        yield _plateau(record, plateau)


def _plateau(record: Record, plateau: object) -> str:
    p = pd.Series(plateau._asdict())  # type: ignore[attr-defined]
    where = "at varying positions" if pd.isna(p["position"]) else f"at position {p['position']}"
    strict = "" if p["flagged"] else " (too small for the thresholds in force)"
    end = "the last" if pd.isna(p["step_down"]) else f"and falls below half of it at layer {p['step_down']}"
    return (
        f"Dim {p['dim']} {where} carries {p['value']:,.0f} (mean over texts) from layer {p['first']} to {p['last']}, "
        f"{end}; in {p['texts']:.0%} of texts{strict}.{_written_by(record, p)}"
    )


def _written_by(record: Record, plateau: pd.Series) -> str:
    """Who adds a plateau's value in its first block, if that block adds most of it."""
    writers = frame(record, "massive.writers")
    mine = writers[(writers["dim"] == plateau["dim"]) & (writers["layer"] == plateau["first"])].set_index("writer")
    if "before" not in mine.index:
        return ""
    before, layer = float(mine.loc["before", "value"]), plateau["first"]
    if abs(before) >= abs(plateau["value"]) / 2:
        return f" {before:,.0f} of it was there before layer {layer}."
    part = "mlp" if abs(mine.loc["mlp", "value"]) >= abs(mine.loc["attention", "value"]) else "attention"
    neurons = ""
    if part == "mlp" and "neuron" in mine.index:
        top = mine.loc[["neuron"]].head(2)
        neurons = ", mostly neurons " + " and ".join(f"{row.neuron} ({row.share:.0%})" for row in top.itertuples())
    known = "the MLP" if part == "mlp" else "attention"
    return f" In layer {layer} {known} adds {mine.loc[part, 'value']:,.0f} to {before:,.0f}{neurons}."


def _sinks(record: Record) -> Iterator[str]:
    if "sinks.heads" not in names(record):
        return
    controls, epsilon = frame(record, "sinks.controls"), thresholds(record, "sinks").epsilon
    rates = {row.input: row for row in controls.itertuples()}
    on_texts = rates["texts"]
    if pd.isna(on_texts.sink_rate):
        yield "Attention sinks: insufficient data: no text is long enough. Give texts of 64 tokens or more."
        return
    interval = "" if pd.isna(on_texts.low) else f" [{on_texts.low:.3f}, {on_texts.high:.3f}]"
    others = ", ".join(
        f"{rates[name].sink_rate:.3f} on {label}"
        for name, label in (("random", "random tokens"), ("repeated", "one token repeated"))
        if name in rates
    )
    yield (
        f"Attention sinks: sink rate {on_texts.sink_rate:.3f}{interval} at key 0 (ε = {epsilon:g}, first 64 tokens)"
        + (f"; {others}." if others else ".")
    )
    found = [f for f in record.findings if f.detector == "sinks"]
    if found:
        top = found[0]
        key = "a token that moves" if top.position is None else f"token {top.position}"
        yield (
            f"{len(found)} of {len(frame(record, 'sinks.heads'))} heads are sinks; the strongest, head {top.unit} of "
            f"layer {top.layer}, parks {top.score:.1%} of its attention on {key}. That is where attention rests, not "
            "evidence that the token matters."
        )


def hneurons(record: Record) -> Iterator[str]:
    """What a hallucination study found, and how it compares with cheaper scores."""
    if "hneurons.scores" not in names(record):
        return
    scores, found = frame(record, "hneurons.scores").set_index("name"), frame(record, "hneurons.candidates")
    candidates, t = found[found["verdict"] != ""], thresholds(record, "hneurons")
    probe, random = scores.loc["probe"], scores.loc["random"]
    per_fold = record.evidence["hneurons"].facts["neurons_by_fold"]
    yield (
        f"Hallucination neurons: a probe of {min(per_fold)}–{max(per_fold)} neurons tells made-up answers from right "
        f"ones with AUROC {probe['auroc']:.3f} [{probe['low']:.3f}, {probe['high']:.3f}] on {int(probe['n']):,} "
        f"answers that it was not fitted on; as many random neurons {random['auroc']:.3f} (95th percentile "
        f"{random['high']:.3f})."
    )
    rivals = [f"{name} {scores.loc[name, 'auroc']:.3f}" for name in RIVALS if name in scores.index]
    yield f"Beside it: {', '.join(rivals)}; shuffled labels {scores.loc['shuffled', 'auroc']:.3f}."
    if not len(candidates):
        yield f"No neuron is a candidate (stability ≥ {t.stability:g}, q < {t.q:g} on held-out answers)."
        return
    verdicts = candidates["verdict"].value_counts().drop("candidate", errors="ignore")
    told = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())
    causes = f" Tested as causes: {told}." if told else " Whether they cause them is not tested."
    named = ", ".join(f"{row.neuron} of layer {row.layer}" for row in candidates.head(3).itertuples())
    yield (
        f"{_count(len(candidates), 'candidate neuron')} of {len(found)} in the final probe raise the risk, are chosen "
        f"in ≥ {t.stability:.0%} of bootstraps and tell held-out answers apart alone (q < {t.q:g}); the heaviest: "
        f"{named}. They predict made-up answers.{causes}"
    )


RIVALS = ("length", "entropy", "logprob", "relation", "residual", "combined")
