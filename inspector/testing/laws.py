"""For our tests and those of plugin authors: the laws a detector must keep, and models to check them on."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from inspector.batches import Batch, batches, tokenise
from inspector.detectors.base import Detector
from inspector.detectors.measured import with_sources
from inspector.detectors.schema import check_evidence, schema_of
from inspector.detectors.thresholds import judged
from inspector.models import Model
from inspector.models.observe import observe
from inspector.records import Evidence, Finding, Record
from inspector.run import disk as runs
from inspector.sites import Site

Case = tuple[Model, Sequence[Sequence[int]]]
"""A model and texts (token ids) on which a detector should find something, or nothing."""


def measure(
    detector: Detector,
    model: Model,
    texts: Sequence[Sequence[int]],
    *,
    batch_tokens: int = 512,
    padding_side: Any = "right",
    first_text: int = 0,
) -> Evidence:
    """The detector's evidence on these texts, in batches of this many tokens."""
    rows = tokenise(model.tokenizer, texts, bos=None, window=model.shape.context, first_text=first_text)
    reducer = detector.reducer(model)
    observe(model, batches(rows, batch_tokens), [reducer], padding_side=padding_side)
    return with_sources(reducer.evidence(), rows, model.card)


def check_detector(
    detector: Detector, planted: Case, unplanted: Case, found: Callable[[Sequence[Finding]], bool]
) -> None:
    """Run the laws that every detector must keep; an AssertionError names the one that broke.

    Batch size, padding side and the order of merging don't change the evidence; activations are
    not written to; evidence is as the schema has it, and survives the disk; `judge` is deterministic; what was planted
    is found (`found` says so of the findings) and the unplanted model gives nothing.
    """
    model, texts = planted
    whole = measure(detector, model, texts)
    schema = schema_of(detector, detector.name)
    if schema is not None:
        try:
            check_evidence(schema, detector.name, whole, model.card)
        except ValueError as error:
            raise AssertionError(f"{detector.name}: its schema refuses its evidence: {error}") from error
    for what, other in {
        "batch size": measure(detector, model, texts, batch_tokens=1),
        "padding side": measure(detector, model, texts, padding_side="left"),
        "merging": _in_shards(detector, model, texts),
    }.items():
        assert_same(whole, other, f"{detector.name}: {what} changes the evidence")
    _assert_reads_only(detector, model, texts)
    assert_same(whole, _through_disk(whole, model.card), f"{detector.name}: the disk changes the evidence", exact=True)
    findings = tuple(judged(detector, whole, {}, {}))
    again = tuple(judged(detector, whole, {}, {}))
    assert findings == again, f"{detector.name}: judge is not deterministic"
    assert found(findings), f"{detector.name}: what was planted is not what was found: {findings}"
    nothing = tuple(judged(detector, measure(detector, *unplanted), {}, {}))
    assert not nothing, f"{detector.name}: an unplanted model gives {nothing}"


def assert_same(a: Evidence, b: Evidence, message: str, *, exact: bool = False) -> None:
    """Equal arrays, up to rounding unless `exact`.

    Rounding may also move a value across a histogram bin's edge (few counts differ), and swap the
    ranks of near-ties, such as one token standing twice in a text (some indices differ).
    """
    assert a.arrays.keys() == b.arrays.keys(), f"{message}: arrays {a.arrays.keys() ^ b.arrays.keys()}"
    assert (dict(a.axes), dict(a.facts)) == (dict(b.axes), dict(b.facts)), f"{message}: axes or facts"
    for name, array in a.arrays.items():
        other = b[name]
        if exact:
            same = array.dtype == other.dtype and array.tobytes() == other.tobytes()
        elif array.dtype.kind == "f":
            scale = np.nanmax(np.abs(array), initial=0.0)
            few = array.size // 200 if "bin" in a.axes[name] else 0
            close = np.isclose(array, other, rtol=2e-3, atol=1e-5 * scale + 1e-9, equal_nan=True)
            same = array.shape == other.shape and int((~close).sum()) <= few
        else:
            loose = 20 if a.combine[name] == "text" else 200
            same = array.shape == other.shape and int((array != other).sum()) <= max(2, array.size // loose)
        assert same, f"{message}: array '{name}'"


def _in_shards(detector: Detector, model: Model, texts: Sequence[Sequence[int]]) -> Evidence:
    """Measured in three shards that are merged last to first; and reducers merge like evidence."""
    third = max(1, len(texts) // 3)
    starts = [0, third, 2 * third]
    shards = [
        measure(detector, model, texts[start:stop], first_text=start)
        for start, stop in zip(starts, [third, 2 * third, len(texts)], strict=True)
        if start < stop
    ]
    merged = shards[-1]
    for shard in shards[-2::-1]:
        merged = merged.merge(shard)
    return merged


def _assert_reads_only(detector: Detector, model: Model, texts: Sequence[Sequence[int]]) -> None:
    rows = tokenise(model.tokenizer, texts[:2], bos=None, window=model.shape.context)
    spy = _Spy(detector.reducer(model))
    observe(model, batches(rows, 512), [spy])
    assert not spy.written, f"{detector.name}: the reducer writes to {spy.written[0]}"


class _Spy:
    """Passes activations on to a reducer and notices writes by the tensor's version counter."""

    def __init__(self, reducer: Any) -> None:
        self.reducer, self.kinds = reducer, reducer.kinds
        self.written: list[Site] = []

    def update(self, batch: Batch, site: Site, x: Any) -> None:
        tensor = getattr(x, "log_pattern", x)
        before = tensor._version
        self.reducer.update(batch, site, x)
        if tensor._version != before:
            self.written.append(site)

    def evidence(self) -> Evidence:
        return self.reducer.evidence()

    def merge(self, other: Any) -> None:
        self.reducer.merge(other)


def _through_disk(evidence: Evidence, card: Mapping[str, Any]) -> Evidence:
    tokens: dict[str, np.ndarray] = dict.fromkeys(("text", "source", "position", "id"), np.array([], dtype=np.int64))
    tokens["token"] = np.array([], dtype=object)
    settings = {"detectors": [], "bos": "tokenizer", "attention": "streamed", "window": 0}
    record = Record(card, settings, {"evidence": evidence}, (), tokens)
    with tempfile.TemporaryDirectory() as folder:
        runs.save(record, Path(folder) / "run")
        return runs.read(Path(folder) / "run").evidence["evidence"]
