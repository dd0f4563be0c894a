"""`examine`: scan texts with detectors and get a report."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from inspector.batches import WINDOW, Text, TokenSequence, batches, token_table, tokenise
from inspector.detectors.base import Detector, Reducer, load_detectors, refuse_studies
from inspector.detectors.sinks import frames as sinks_judge
from inspector.errors import InputError, ModelError
from inspector.interventions.apply import interventions_in_force
from inspector.interventions.values import as_json
from inspector.models import Model, hooks_inside_attention, route_now
from inspector.models.observe import Forecast, Progress, forecast, observe
from inspector.records import Evidence
from inspector.run.report import Report, judged


def examine(
    model: Model,
    texts: Sequence[Text],
    detectors: Iterable[str | Detector] | None = None,
    *,
    thresholds: Mapping[str, Mapping[str, Any]] | None = None,
    bos: bool | None = None,
    window: int | None = None,
    batch_tokens: int | None = None,
    first_text: int = 0,
    seed: int = 0,
    progress: Progress | None = None,
    on_forecast: Callable[[Forecast], None] | None = None,
) -> Report:
    """Scan texts in one streaming pass (and a short one for each control input) and judge it.

    Args:
        model: from `load_model`.
        texts: strings, or sequences of token ids that are fed exactly as given.
        detectors: names or detector objects; all that are installed where None.
        thresholds: by detector, e.g. `{"massive": {"ratio": 500}}`; `Report.judge` changes them later.
        bos: True feeds exactly one BOS before each text, False none, None does what the tokenizer does.
        window: longer texts are cut to windows of so many tokens; the context, at most 2,048, where None.
        batch_tokens: tokens a batch; chosen from free memory where None.
        first_text: number of the first text, for the shards of a corpus.
        seed: of the control inputs.
        progress: called with the number of tokens just done.
        on_forecast: called once, before the pass, with what it will take.

    Raises:
        InputError: no texts, an empty one, a detector that isn't installed, too little memory.
        ModelError: a detector needs a kind of site that this model does not have.
    """
    for name, value in (("window", window), ("batch_tokens", batch_tokens)):
        if value is not None and value < 1:
            raise InputError(f"{name} is {value}. Use 1 or more, or leave it out.")
    if seed < 0:
        raise InputError(f"seed is {seed}. Use 0 or more.")
    chosen = load_detectors(detectors)
    refuse_studies(chosen)
    _refuse(model, chosen)
    unknown = set(thresholds or {}) - {detector.name for detector in chosen}
    if unknown:
        raise InputError(f"Thresholds for '{unknown.pop()}', which is not among the detectors of this scan.")
    window = min(window or WINDOW, model.shape.context)
    rows = tokenise(model.tokenizer, texts, bos=bos, window=window, first_text=first_text)
    for row in rows:
        if not all(0 <= i < model.shape.vocab for i in row.ids):
            raise InputError(
                f"Text {row.source} has a token id outside 0–{model.shape.vocab - 1}. Use the model's ids."
            )
    controls = _controls(model, chosen, seed)
    plan = forecast(model, rows + [row for _, _, control in controls for row in control], batch_tokens)
    if on_forecast is not None:
        on_forecast(plan)
    evidence = _measure(model, rows, [(d.name, d) for d in chosen], plan, progress)
    for name, detector, control in controls:
        evidence |= _measure(model, control, [(name, detector)], plan, progress)
    chosen_thresholds = {name: dict(values) for name, values in (thresholds or {}).items()}
    settings = {
        "detectors": [detector.name for detector in chosen],
        "thresholds": chosen_thresholds,
        "bos": {None: "as the tokenizer does", True: "one", False: "none"}[bos],
        "window": window,
        "texts": len(texts),
        "seed": seed,
        "attention": route_now(model),
    }
    if changes := interventions_in_force(model):
        settings["interventions"] = json.loads(as_json(changes))
    tokens = token_table(rows, model.tokenizer)
    report = Report(model.card, settings, evidence, (), tokens, notes=_notes(model, rows, evidence, window))
    return replace(report, findings=judged(report, chosen, chosen_thresholds))


def _refuse(model: Model, detectors: Sequence[Detector]) -> None:
    for detector in detectors:
        for kind in detector.kinds:
            if not model.shape.has(kind):
                raise ModelError(
                    f"Detector '{detector.name}' needs {kind}, which {model.card['architecture']} does not have "
                    f"(attention: {model.card['attention']}). Leave '{detector.name}' out."
                )


def _controls(
    model: Model, detectors: Sequence[Detector], seed: int
) -> list[tuple[str, Detector, list[TokenSequence]]]:
    """Name, detector and rows of every control input that the detectors ask for."""
    return [
        (f"{detector.name}.{name}", detector, tokenise(None, ids, bos=None, window=model.shape.context))
        for detector in detectors
        if (make := getattr(detector, "controls", None)) is not None
        for name, ids in make(model, seed).items()
    ]


def _measure(
    model: Model,
    rows: Sequence[TokenSequence],
    named: Sequence[tuple[str, Detector]],
    plan: Forecast,
    progress: Progress | None,
) -> dict[str, Evidence]:
    reducers: list[Reducer] = [detector.reducer(model) for _, detector in named]
    observe(model, batches(rows, plan.tokens_per_batch, model.pad_id), reducers, progress=progress)
    measured = (with_sources(reducer.evidence(), rows, model) for reducer in reducers)
    return {name: evidence for (name, _), evidence in zip(named, measured, strict=True)}


def with_sources(evidence: Evidence, rows: Sequence[TokenSequence], model: Model) -> Evidence:
    """Evidence that also tells each fed row's length and source, and the model it was measured on."""
    row_of = {row.text: row for row in rows}
    fed = [row_of[int(text)] for text in evidence["text"]]
    more = {"source": [row.source for row in fed], "length": [len(row.ids) for row in fed]}
    return replace(
        evidence,
        arrays={**evidence.arrays, **{name: np.array(values, dtype=np.int64) for name, values in more.items()}},
        axes={**evidence.axes, **dict.fromkeys(more, ("text",))},
        combine={**evidence.combine, **dict.fromkeys(more, "text")},
        facts={**evidence.facts, "model": model.card["fingerprint"]},
    )


def _notes(
    model: Model, rows: Sequence[TokenSequence], evidence: Mapping[str, Evidence], window: int
) -> tuple[str, ...]:
    """What a reader must know before trusting a number."""
    notes = []
    cut = len({row.source for row in rows if row.start})
    if cut:
        notes.append(f"{cut} of {len({row.source for row in rows})} texts were cut to windows of {window} tokens.")
    if rows[0].ids[0] == getattr(model.tokenizer, "bos_token_id", None):
        later = ", nor have a text's windows after its first" if cut else ""
        notes.append(f"A BOS was fed before each text; the control inputs have none{later}.")
    for name, e in evidence.items():
        if "nonfinite" in e.arrays and (lost := e["nonfinite"]).any():
            where = f"{np.count_nonzero(lost)} of {len(lost)} layers"
            notes.append(f"NaN or infinity in {where}, at up to {lost.max()} tokens: there they are in no statistic.")
        if "skipped" in e.arrays and (lost := e["skipped"]).any():
            notes.append(
                f"{name}: attention was not finite in {np.count_nonzero(lost)} of {len(lost)} layers, in up to "
                f"{lost.max()} texts; there these texts are left out, and rates are over what remains."
            )
    if "sinks" in evidence and (short := int((~sinks_judge.enough(evidence["sinks"])).sum())):
        facts = evidence["sinks"].facts
        notes.append(
            f"sinks: {short} of {len(evidence['sinks']['text'])} sequences have fewer than {facts['shortest']} tokens "
            "(or no finite attention) and are in no rate: received attention grows as texts get shorter."
        )
    if model.card["missing_sites"]:
        kinds = [f"{kind} (in {n} of {model.shape.layers} layers)" for kind, n in model.card["missing_sites"].items()]
        notes.append(f"Not measured, because {model.card['architecture']} has no such site: {', '.join(kinds)}.")
    if route_now(model) == "eager":
        inside = hooks_inside_attention(model)
        why = f"hooks at {inside[0]}" if model.route == "streamed" else model.card["attention"]
        notes.append(f"Attention was read as whole patterns: {why}.")
    if changes := interventions_in_force(model):
        notes.append(f"Scanned under interventions, which are in the settings: {', '.join(map(str, changes))}.")
    return tuple(notes)
