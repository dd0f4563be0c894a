"""Batches through the model, each measured by itself: what detectors say of it is added to what they said before."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from inspector.batches import Batch, TokenSequence, longest_first, next_rows, pad_rows, tokenise
from inspector.detectors.apart import Apart, Overwritten
from inspector.detectors.base import Detector, Judge, attempt, bytes_kept
from inspector.detectors.measured import with_sources
from inspector.detectors.pooled import joined
from inspector.detectors.returned import check_returned
from inspector.detectors.schema import check_evidence, schema_of
from inspector.errors import DetectorError, InputError, is_out_of_memory
from inspector.models import Model, refuse_ids
from inspector.models.observe import observe
from inspector.progress import Task
from inspector.records import Evidence
from inspector.sites import Site

FOLDED = 32
"""Batches whose evidence is held before it is added up."""

Gathered = dict[str, Evidence]
"""Evidence by its name."""


@dataclass
class Budget:
    """Tokens of a batch, fewer once memory ran out.

    Args:
        tokens: of a batch, with padding.
        says: hears what happened, in words.
    """

    tokens: int = 0
    says: Callable[[str], object] = lambda said: None

    def halve(self, rows: Sequence[TokenSequence], error: BaseException) -> None:
        """Make batches half as large as one that didn't fit.

        Raises:
            InputError: it was a single sequence.
        """
        longest = len(rows[0].ids)
        if len(rows) == 1:
            raise InputError(
                f"A sequence of {longest:,} tokens doesn't fit in memory, alone in its batch. Use a smaller window."
            ) from error
        self.tokens = max(longest, len(rows) * longest // 2)
        self.says(f"Out of memory with a batch of {len(rows)} × {longest:,} tokens: now {self.tokens:,} at most")


@dataclass
class Passes:
    """The detectors of one scan, each apart: one that fails loses its own part, and `faults` says so."""

    model: Model
    card: Mapping[str, Any]
    detectors: Sequence[Detector]
    faults: list[str]
    sample: int
    budget: Budget = field(default_factory=Budget)
    failed: set[str] = field(default_factory=set)

    def controls(self, seed: int) -> list[tuple[str, Detector, list[TokenSequence]]]:
        """Name, detector and rows of every control input that the detectors ask for."""
        found: list[tuple[str, Detector, list[TokenSequence]]] = []
        for detector in self.detectors:
            if getattr(detector, "controls", None) is not None:
                inputs = self.tried(detector, "controls", partial(self._inputs, detector, seed)) or {}
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

    def named(self) -> dict[str, Detector]:
        """The detectors that haven't failed."""
        return {one.name: one for one in self.detectors if one.name not in self.failed}

    def measured(self, rows: Sequence[TokenSequence], named: Mapping[str, Detector], task: Task) -> Gathered:
        """The evidence of these rows, every one kept, of each detector that didn't fail."""
        pile = Pile(self, named, sample=None)
        self.run(longest_first(rows), pile, lambda done: task.advance(sum(len(row.ids) for row in done)))
        return pile.folded()

    def run(
        self, ordered: Sequence[TokenSequence], pile: "Pile", after: Callable[[Sequence[TokenSequence]], object]
    ) -> None:
        """Measure these rows batch by batch, in this order.

        Out of memory, batches get smaller and nothing of the failed one has been counted.

        Args:
            ordered: the rows, the longest first.
            pile: takes the evidence of each batch.
            after: called with a batch's rows once they are on the pile.

        Raises:
            InputError: not even one row fits in memory.
        """
        done = 0
        while done < len(ordered) and pile.named:
            feed = Feed(self, ordered[done:], pile, after)
            try:
                observe(self.model, feed.batches(), [feed])
            except Overwritten as spoilt:
                self.faults.append(spoilt.fault)
                pile.drop([name for name, one in pile.named.items() if one is spoilt.detector])
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                self.budget.halve(feed.rows, error)
            done += feed.done

    def evidence_of(self, apart: Mapping[str, Apart], rows: Sequence[TokenSequence]) -> Gathered:
        """What reducers made of these rows."""
        found: Gathered = {}
        for name, one in apart.items():
            if one.fault:
                self.faults.append(one.fault)
                continue
            evidence = self.tried(one.detector, "evidence", partial(_of_rows, one.reducer, rows, self.card))
            found |= {} if evidence is None else {name: evidence}
        return found

    def checked(self, found: Mapping[str, Evidence], named: Mapping[str, Detector]) -> Gathered:
        """The evidence that is as its detector's schema has it; what isn't would be saved and not open."""
        whole: Gathered = {}
        for name, evidence in found.items():
            fits = self.tried(named[name], "schema", partial(_fits, named[name], name, evidence, self.card))
            whole |= {name: evidence} if fits else {}
        return whole

    def tried(self, detector: Judge, part: str, call: Callable[[], Any]) -> Any:
        """What a part gives, or None where it failed, which is noted."""
        try:
            return attempt(detector, part, call)
        except DetectorError as error:
            self.faults.append(str(error))
            return None


class Feed:
    """Batches for one pass, and the observer of it: every batch has reducers of its own.

    Hooks are put on the model once for all of the batches; what reducers made of one is taken before the next.
    """

    def __init__(
        self,
        passes: Passes,
        ordered: Sequence[TokenSequence],
        pile: "Pile",
        after: Callable[[Sequence[TokenSequence]], object],
    ) -> None:
        self.passes, self.ordered, self.pile, self.after = passes, ordered, pile, after
        self.done, self.rows = 0, ordered[:1]
        self.apart = self._made()
        self.kinds = tuple(sorted({kind for one in self.apart.values() for kind in one.kinds}))

    def _made(self) -> dict[str, Apart]:
        made = {}
        for name, detector in list(self.pile.named.items()):
            reducer = self.passes.tried(detector, "reducer", partial(detector.reducer, self.passes.model))
            if reducer is None:
                self.pile.drop([name])
            else:
                made[name] = Apart(detector, reducer)
        return made

    def batches(self) -> Iterator[Batch]:
        """One batch after another while a detector is left."""
        while self.apart and self.done < len(self.ordered):
            self.rows = next_rows(self.ordered, self.passes.budget.tokens, self.done)
            yield pad_rows(self.rows, self.passes.model.pad_id)
            self.pile.add(self.passes.evidence_of(self.apart, self.rows))
            self.done += len(self.rows)
            self.after(self.rows)
            self.apart = self._made()

    def update(self, batch: Batch, site: Site, x: Any) -> None:
        """Hand one site's activations to the reducers that want them."""
        for one in self.apart.values():
            if site.kind in one.kinds:
                one.update(batch, site, x)


class Pile:
    """The evidence of batches, one on another; a detector that failed on one has none.

    Args:
        passes: of which scan.
        named: the detectors by the names of their evidence.
        so_far: the evidence of earlier batches.
        sample: how many sequences keep their rows; all where None.
    """

    def __init__(
        self,
        passes: Passes,
        named: Mapping[str, Detector],
        so_far: Gathered | None = None,
        *,
        sample: int | None,
    ) -> None:
        self.passes, self.named, self.sample = passes, dict(named), sample
        self.parts: dict[str, list[Evidence]] = {name: [one] for name, one in (so_far or {}).items()}

    def drop(self, failed: Iterable[str]) -> None:
        """Forget what detectors that failed have measured."""
        for name in failed:
            self.passes.failed.add(name)
            self.named.pop(name, None)
            self.parts.pop(name, None)

    def add(self, found: Gathered) -> None:
        """Put a batch's or a block's evidence on top."""
        self.drop([name for name in self.named if name not in found])
        for name, evidence in found.items():
            self.parts.setdefault(name, []).append(evidence)
        if any(len(parts) >= FOLDED for parts in self.parts.values()):
            self.folded()

    def folded(self) -> Gathered:
        """All of it added up."""
        for name, parts in list(self.parts.items()):
            add_up = partial(joined, self.named[name], parts, self.sample)
            whole = self.passes.tried(self.named[name], "merge", add_up)
            if whole is None:
                self.drop([name])
            else:
                self.parts[name] = [whole]
        return {name: parts[0] for name, parts in self.parts.items()}


def _of_rows(reducer: Any, rows: Sequence[TokenSequence], card: Mapping[str, Any]) -> Evidence:
    """A reducer's evidence with its rows' sources."""
    evidence = reducer.evidence()
    check_returned("evidence", evidence)
    return with_sources(evidence, rows, card)


def _fits(detector: Detector, name: str, evidence: Evidence, card: Mapping[str, Any]) -> bool:
    """True.

    Raises:
        ValueError: the evidence isn't as the detector's schema has it.
    """
    schema = schema_of(detector, name)
    if schema is not None:
        check_evidence(schema, name, evidence, card)
    return True
