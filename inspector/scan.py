"""`examine`: scan texts with detectors and get a report."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from inspector.arguments import takes
from inspector.batches import WINDOW, TokenSequence, batches, token_table, tokenise
from inspector.detectors.apart import Apart, without_overwriting
from inspector.detectors.base import Detector, Judge, attempt, bytes_kept, load_detectors, load_judges
from inspector.detectors.measured import Measured, with_sources
from inspector.detectors.returned import check_returned
from inspector.detectors.schema import check_evidence, schema_of
from inspector.detectors.thresholds import in_force
from inspector.errors import DetectorError, InputError, ModelError
from inspector.interventions.apply import interventions_in_force
from inspector.interventions.values import as_json
from inspector.models import Model, hooks_inside_attention, hooks_of_others, refuse_ids, route_now
from inspector.models.conversations import texts_for
from inspector.models.observe import Forecast, forecast, observe
from inspector.printable import listed
from inspector.progress import Reported, Task, progress_of
from inspector.records import Evidence
from inspector.run.report import Report, judged
from inspector.texts import Given


@takes(model=Model)
def examine(
    model: Model,
    texts: Given,
    detectors: Iterable[str | Detector] | None = None,
    *,
    column: str | None = None,
    thresholds: Mapping[str, Mapping[str, Any]] | None = None,
    bos: bool | None = None,
    window: int | None = None,
    batch_tokens: int | None = None,
    first_text: int = 0,
    shard: tuple[int, int] | None = None,
    seed: int = 0,
    controls: Mapping[str, Evidence] | None = None,
    progress: Reported = None,
    on_forecast: Callable[[Forecast], None] | None = None,
) -> Report:
    """Scan texts in one streaming pass (and a short one for each control input) and judge it.

    Args:
        model: from `load_model`.
        texts: strings, sequences of token ids that the model receives exactly as given, or conversations (put through
            the tokenizer's chat template): a list, a generator, a column, a table, a data set, a file's path, or what
            a tokenizer gave.
        column: which column of a table has the texts; `text` where None.
        detectors: names or detector objects; all that are installed where None.
        thresholds: by detector, e.g. `{"massive": {"ratio": 500}}`; `Report.judge` changes them later.
        bos: True prepends exactly one BOS to each text, False none, None does what the tokenizer does.
        window: longer texts are cut into windows of this many tokens; the context, at most 2,048, where None.
        batch_tokens: tokens per batch; chosen from free memory where None.
        first_text: number of the first text, where a corpus is cut by hand.
        shard: (3, 16) scans the third of 16 shards, each with every sixteenth text; `inspector.merge` makes them one.
        seed: of the control inputs.
        controls: evidence of control inputs, by its name, that another scan of this model with this seed measured
            (`report.evidence`); it is taken as it is, and those inputs are not measured again.
        progress: hears of the task `tokens`.
        on_forecast: called once, before the pass, with what it will take.

    Raises:
        InputError: no texts, an empty one, a detector that isn't installed, too little memory.
        ModelError: a detector needs a kind of site that this model does not have.
    """
    chosen, faults = load_detectors(detectors), [] if detectors is not None else load_judges()[1]
    _refuse(model, chosen)
    _refuse_options({"window": window, "batch_tokens": batch_tokens}, seed, chosen, thresholds or {})
    window = min(window or WINDOW, model.shape.context)
    texts = texts_for(model.tokenizer, texts, column)
    rows = tokenise(model.tokenizer, texts, bos=bos, window=window, first_text=first_text)
    if shard is not None:
        rows = _of_shard(rows, shard, first_text)
    refuse_ids(model, rows)
    scan = _Scan(model, model.current_card(), chosen, faults)
    asked, known = scan.controls(seed), dict(controls or {})
    new = [one for one in asked if one[0] not in known]
    passes = [(rows, detector) for detector in chosen] + [(control, detector) for _, detector, control in new]
    every = rows + [row for _, _, control in new for row in control]
    plan = forecast(model, every, batch_tokens, kept=sum(scan.kept(fed, detector) for fed, detector in passes))
    if on_forecast is not None:
        on_forecast(plan)
    task = progress_of(progress).task("tokens", plan.tokens)
    evidence = scan.measured(rows, {detector.name: detector for detector in chosen}, plan, task)
    for name, detector, control in asked:
        if detector.name in evidence:
            before = {name: known[name]} if name in known else None
            evidence |= before or scan.measured(control, {name: detector}, plan, task)
    if not evidence:
        raise DetectorError(scan.faults[0] if scan.faults else "No detector measured anything.")
    measured = [detector for detector in chosen if detector.name in evidence]
    with model.lock:  # else hooks of another thread's scan would be taken for the user's
        state, about_model = _state_of(model), list(_of_model(model))
    settings = {
        "detectors": [detector.name for detector in measured],
        "thresholds": {name: dict(values) for name, values in (thresholds or {}).items()},
        "bos": {None: "as the tokenizer does", True: "one", False: "none"}[bos],
        "window": window,
        "texts": len({row.source for row in rows}),
        "begin_with_bos": _begin_with_bos(model, rows),
        "seed": seed,
        **({} if shard is None else {"shard": list(shard)}),
        **state,
    }
    report = Report(scan.card, settings, evidence, (), token_table(rows, model.tokenizer))
    findings = judged(report, measured, lambda fault: scan.faults.append(str(fault)))
    report = replace(report, findings=findings)
    brought = scan.notes([Measured(detector, report) for detector in measured])
    notes = (*_of_input(model, rows, window), *brought, *about_model, *dict.fromkeys(scan.faults))
    return replace(report, notes=notes)


def _refuse(model: Model, detectors: Sequence[Detector]) -> None:
    for detector in detectors:
        for kind in detector.kinds:
            if not model.shape.has(kind):
                raise ModelError(
                    f"Detector '{detector.name}' needs {kind}, which {model.card['architecture']} does not have "
                    f"(attention: {model.card['attention']}). Leave '{detector.name}' out."
                )


def _refuse_options(
    counts: Mapping[str, int | None],
    seed: int,
    detectors: Sequence[Detector],
    thresholds: Mapping[str, Mapping[str, Any]],
) -> None:
    for name, value in counts.items():
        if value is not None and value < 1:
            raise InputError(f"{name} is {value}. Use 1 or more, or leave it out.")
    if seed < 0:
        raise InputError(f"seed is {seed}. Use 0 or more.")
    unknown = set(thresholds) - {detector.name for detector in detectors}
    if unknown:
        raise InputError(f"Thresholds for '{unknown.pop()}', which is not among the detectors of this scan.")
    for detector in detectors:
        in_force(detector, thresholds.get(detector.name, {}))


def _of_shard(rows: Sequence[TokenSequence], shard: tuple[int, int], first: int) -> list[TokenSequence]:
    """The rows of every n-th text, numbered as in the whole.

    Raises:
        InputError: no such shard, or one without a text.
    """
    number, of = shard
    if not 1 <= number <= of:
        raise InputError(f"shard is {number}/{of}. Use 1/{max(1, of)} to {max(1, of)}/{max(1, of)}.")
    mine = [row for row in rows if (row.source - first) % of == number - 1]
    if not mine:
        raise InputError(f"Shard {number}/{of} has no text: there are fewer texts than shards. Use fewer shards.")
    return mine


def _state_of(model: Model) -> dict[str, Any]:
    """How the model is run: where its attention is read from, and interventions in force."""
    changes = interventions_in_force(model)
    state: dict[str, Any] = {"attention": route_now(model)}
    state |= {"interventions": json.loads(as_json(changes))} if changes else {}
    return state | ({"hooks": hooks} if (hooks := hooks_of_others(model)) else {})


class _Scan:
    """The detectors of one scan, each apart: one that fails loses its own part, and `faults` says so."""

    def __init__(
        self, model: Model, card: Mapping[str, Any], detectors: Sequence[Detector], faults: Sequence[str]
    ) -> None:
        self.model, self.card, self.detectors, self.faults = model, card, detectors, list(faults)

    def controls(self, seed: int) -> list[tuple[str, Detector, list[TokenSequence]]]:
        """Name, detector and rows of every control input that the detectors ask for."""
        found: list[tuple[str, Detector, list[TokenSequence]]] = []
        for detector in self.detectors:
            if getattr(detector, "controls", None) is not None:
                inputs = self._tried(detector, "controls", partial(self._inputs, detector, seed)) or {}
                found += [(f"{detector.name}.{name}", detector, rows) for name, rows in inputs.items()]
        return found

    def _inputs(self, detector: Any, seed: int) -> dict[str, list[TokenSequence]]:
        """The rows of a detector's control inputs.

        Raises:
            ValueError: they can't be fed to the model, which is the detector's fault and not the user's.
        """
        given = detector.controls(self.model, seed)
        check_returned("controls", given)
        made = {}
        for name, ids in given.items():
            try:
                made[str(name)] = tokenise(None, ids, bos=None, window=self.model.shape.context)
                refuse_ids(self.model, made[str(name)])
            except InputError as error:
                raise ValueError(f"input '{name}': {error}") from error
        return made

    def kept(self, rows: Sequence[TokenSequence], detector: Detector) -> int:
        """Bytes that a detector's evidence will have of these rows; 0 where it fails to tell."""
        lengths = [len(row.ids) for row in rows]
        try:
            return attempt(detector, "bytes_kept", lambda: bytes_kept(detector.reducer(self.model), lengths))
        except DetectorError:  # a reducer that can't be made is named by its pass
            return 0

    def measured(
        self, rows: Sequence[TokenSequence], named: Mapping[str, Detector], plan: Forecast, task: Task
    ) -> dict[str, Evidence]:
        """One pass over the rows: the evidence of each detector that didn't fail."""

        def run(left_out: Collection[Detector]) -> dict[str, Evidence]:
            return self._pass(rows, {name: one for name, one in named.items() if one not in left_out}, plan, task)

        return without_overwriting(run, self.faults.append)

    def _pass(
        self, rows: Sequence[TokenSequence], named: Mapping[str, Detector], plan: Forecast, task: Task
    ) -> dict[str, Evidence]:
        made = {name: self._tried(d, "reducer", partial(d.reducer, self.model)) for name, d in named.items()}
        apart = {name: Apart(named[name], reducer) for name, reducer in made.items() if reducer is not None}
        if apart:
            parts = batches(rows, plan.tokens_per_batch, self.model.pad_id)
            observe(self.model, parts, list(apart.values()), task=task)
        found: dict[str, Evidence] = {}
        for name in list(apart):
            one = apart.pop(name)  # what it collected goes once its evidence is made
            if one.fault:
                self.faults.append(one.fault)
                continue
            evidence = self._tried(named[name], "evidence", one.reducer.evidence)
            if evidence is not None:
                of_texts = partial(_whole, named[name], name, evidence, rows, self.card)
                whole = self._tried(named[name], "schema", of_texts)
                found |= {} if whole is None else {name: whole}
        return found

    def notes(self, parts: Sequence[Measured]) -> list[str]:
        """What each detector says of its measurements."""
        return [
            note for part in parts for note in self._tried(part.detector, "notes", partial(part.ask, "notes")) or ()
        ]

    def _tried(self, detector: Judge, part: str, call: Callable[[], Any]) -> Any:
        """What a part gives, or None where it failed, which is noted."""
        try:
            return attempt(detector, part, call)
        except DetectorError as error:
            self.faults.append(str(error))
            return None


def _whole(
    detector: Detector, name: str, evidence: Evidence, rows: Sequence[TokenSequence], card: Mapping[str, Any]
) -> Evidence:
    """Evidence of a detector, or of a control input of it, with its sources.

    Raises:
        ValueError: it isn't as the detector's schema has it, so that its run would be saved and not open.
    """
    evidence = with_sources(evidence, rows, card)
    schema = schema_of(detector, name)
    if schema is not None:
        check_evidence(schema, name, evidence, card)
    return evidence


def _of_input(model: Model, rows: Sequence[TokenSequence], window: int) -> Iterator[str]:
    """What a reader must know of the texts."""
    cut = len({row.source for row in rows if row.start})
    if cut:
        yield f"{cut} of {len({row.source for row in rows})} texts were cut to windows of {window} tokens."
    bos, whole = getattr(model.tokenizer, "bos_token_id", None), [row for row in rows if not row.start]
    if begin := _begin_with_bos(model, rows):
        which = "Each text begins" if begin == len(whole) else f"{begin} of {len(whole)} texts begin"
        later = ", nor have a text's windows after its first" if cut else ""
        yield f"{which} with a BOS; the control inputs have none{later}."
    if twice := sum(row.ids[:2] == (bos, bos) for row in whole):
        yield (
            f"{twice} of {len(whole)} texts begin with two BOS: the tokenizer prepends one, and the text spells one "
            "itself. Ask for exactly one BOS, or leave it out of the text."
        )


def _begin_with_bos(model: Model, rows: Sequence[TokenSequence]) -> int:
    """How many texts' first token is a BOS, whoever put it there."""
    bos = getattr(model.tokenizer, "bos_token_id", None)
    return sum(row.ids[0] == bos for row in rows if not row.start)


def _of_model(model: Model) -> Iterator[str]:
    """What a reader must know of the model, and how it was read."""
    if model.card["missing_sites"]:
        kinds = [f"{kind} (in {n} of {model.shape.layers} layers)" for kind, n in model.card["missing_sites"].items()]
        yield f"Not measured, because {model.card['architecture']} has no such site: {', '.join(kinds)}."
    if route_now(model) == "eager":
        inside = hooks_inside_attention(model)
        why = f"hooks at {inside[0]}" if model.route == "streamed" else model.card["attention"]
        yield f"Attention was read as whole patterns: {why}."
    if hooks := hooks_of_others(model):
        yield f"Scanned with hooks of yours on the model, which may change what it computes: {listed(hooks, 6)}."
    if changes := interventions_in_force(model):
        yield f"Scanned under interventions, which are in the settings: {', '.join(map(str, changes))}."
