"""What a scan yields: `Evidence`, `Finding`, `Effect`, `Verdict` and the `Record` that holds them, all frozen."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import reduce
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex, overload

import numpy as np

from inspector.alike import Alike
from inspector.arguments import Number, meant, takes
from inspector.errors import InputError, InspectorError
from inspector.pages import page
from inspector.printable import brief, counted

if TYPE_CHECKING:  # a record is plain values; whoever asks for a table has pandas
    import pandas as pd

Combine = Literal["sum", "max", "text"]
"""How two shards' arrays become one: added, the larger taken, or texts put side by side."""

Claim = Literal["change", "none", "rise", "fall"]
"""What is claimed of a metric: that the target changes it, that it doesn't, or which way it goes."""

VerdictWord = Literal["candidate", "observed", "confirmed", "not specific", "negligible", "refuted", "undecided"]
"""`candidate`: flagged, not yet tested. `observed`: a plain fact (NaN was seen). The rest: tested, by the rules in
`inspector.verification.verdicts`."""


@dataclass(frozen=True, repr=False, eq=False)
class Evidence(Alike):
    """Small named arrays that a detector's reducer measured; no threshold and no verdict in them.

    Args:
        detector: the detector's name.
        arrays: the measurements. `text` (the input sequences' indices) is among them.
        axes: for every array, a name for each of its axes.
        combine: for every array, how two shards' arrays become one.
        facts: plain values needed to read the arrays (grids, tile sizes); equal in all shards.
    """

    detector: str
    arrays: Mapping[str, np.ndarray]
    axes: Mapping[str, tuple[str, ...]]
    combine: Mapping[str, Combine]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, array in self.arrays.items():
            if len(self.axes.get(name, ())) != array.ndim or name not in self.combine:
                raise InspectorError(
                    f"Evidence of '{self.detector}': array '{name}' has {array.ndim} axes, "
                    f"named {self.axes.get(name)}. Name each axis and say how shards combine."
                )
            axes = self.axes[name]
            if len(set(axes)) < len(axes) or any(axis == "value" or not axis.isprintable() for axis in axes):
                raise InspectorError(
                    f"Evidence of '{self.detector}': array '{name}' has axes {axes}, which can't be the columns of a "
                    "table with the column 'value'. Name each axis differently."
                )

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    def __repr__(self) -> str:
        size = sum(array.nbytes for array in self.arrays.values())
        return f"<Evidence of {brief(self.detector)}: {counted(len(self.arrays), 'array')}, {size / 1e6:,.1f} MB>"

    def _repr_html_(self) -> str:
        import pandas as pd

        rows = [(name, ", ".join(self.axes[name]), str(one.shape), str(one.dtype)) for name, one in self.arrays.items()]
        facts = [(name, brief(value)) for name, value in self.facts.items()]
        tables = {"Arrays": pd.DataFrame(rows, columns=["name", "axes", "shape", "dtype"])}
        return page(repr(self), (), tables | {"Facts": pd.DataFrame(facts, columns=["name", "value"])})

    def of_texts(self, rows: Any) -> "Evidence":
        """The evidence with the rows of these texts only, by index or mask; what is pooled over texts stays."""
        arrays = {name: array[rows] if self.combine[name] == "text" else array for name, array in self.arrays.items()}
        return replace(self, arrays=arrays)

    def merge(self, *others: "Evidence") -> "Evidence":
        """The evidence of all these shards' texts together. The order of merging does not matter."""
        parts = (self, *others)
        for other in others:
            if (self.detector, dict(self.facts)) != (other.detector, dict(other.facts)):
                raise InspectorError(
                    f"Can't merge evidence of '{self.detector}' and '{other.detector}': detectors, "
                    "models or settings differ. Scan both shards with the same model and settings."
                )
        texts = np.concatenate([one["text"] for one in parts])
        order = np.argsort(texts, kind="stable")
        repeated = texts[order][1:][np.diff(texts[order]) == 0]
        if len(repeated):
            raise InspectorError(
                f"Can't merge: text {repeated[0]} is in both shards. Number the texts apart (first_text=…)."
            )
        combine = {name: how for one in parts for name, how in one.combine.items()}
        like = {name: one for one in reversed(parts) for name in one.arrays}
        merged = {
            name: _combine(how, [_of(one, name, like[name]) for one in parts], order) for name, how in combine.items()
        }
        axes = {name: of for one in parts for name, of in one.axes.items()}
        return replace(self, arrays=merged, axes=axes, combine=combine)


def _of(evidence: Evidence, name: str, other: Evidence) -> np.ndarray:
    """The array, or one that says "nothing seen" where only the other shard has it."""
    if name in evidence.arrays:
        return evidence[name]
    like = other[name]
    if other.combine[name] != "text":
        return np.zeros_like(like)
    return np.full((len(evidence["text"]), *like.shape[1:]), np.nan if like.dtype.kind == "f" else -1, like.dtype)


def _combine(how: Combine, parts: Sequence[np.ndarray], order: np.ndarray) -> np.ndarray:
    if how == "sum":
        return np.asarray(reduce(np.add, parts))
    if how == "max":
        return np.asarray(reduce(np.fmax, parts))
    widest = np.max([part.shape[1:] for part in parts], axis=0)  # maps are as wide as their longest text
    return np.concatenate([_padded(part, widest) for part in parts])[order]


def _padded(array: np.ndarray, shape: np.ndarray) -> np.ndarray:
    lack = [(0, 0), *((0, int(want - have)) for want, have in zip(shape, array.shape[1:], strict=True))]
    if not np.any(lack):
        return array
    return np.pad(array, lack, constant_values=np.nan if array.dtype.kind == "f" else -1)


@dataclass(frozen=True, repr=False, eq=False)
class Finding(Alike):
    """One flagged thing: where it is, how strong, against which threshold.

    `layer`, `unit` (dim, head or neuron) and `position` are 0-based; `position` is None where it
    varies. `low` and `high` bound the score's interval over texts, NaN with fewer than eight.
    """

    detector: str
    kind: str
    layer: int
    unit: int | None
    position: int | None
    token: str | None
    score: float
    low: float
    high: float
    threshold: float
    verdict: VerdictWord = "candidate"

    def __repr__(self) -> str:
        unit = "" if self.unit is None else f", unit {self.unit}"
        place = "" if self.position is None else f", position {self.position}"
        found = f"layer {self.layer}{unit}{place}, score {self.score:,.4g}, {self.verdict}"
        return f"<Finding of {brief(self.detector, 30)}, {brief(self.kind, 30)}: {found}>"

    def _repr_html_(self) -> str:
        return page(repr(self), (), {"Finding": upright(self)})


class Findings(tuple[Finding, ...]):
    """Findings in a row, which can be narrowed down: `findings.of("massive").in_layer(11)`.

    Args:
        found: the findings.
        known: names of detectors that may be asked for where they found nothing.
    """

    known: frozenset[str]

    def __new__(cls, found: Iterable[Finding] = (), known: Iterable[str] = ()) -> "Findings":
        """These findings."""
        made = super().__new__(cls, found)
        made.known = frozenset(known)
        return made

    @overload
    def __getitem__(self, index: SupportsIndex, /) -> Finding: ...
    @overload
    def __getitem__(self, index: slice, /) -> "Findings": ...
    def __getitem__(self, index: Any, /) -> Any:
        found = super().__getitem__(index)
        return self._some(found) if isinstance(index, slice) else found

    def __add__(self, other: tuple[Finding, ...]) -> "Findings":  # type: ignore[override]
        return Findings(super().__add__(other), self.known | getattr(other, "known", frozenset()))

    @takes
    def of(self, detector: str, kind: str | None = None) -> "Findings":
        """Those of a detector, and of a kind where one is named; none where it is known and found nothing.

        Raises:
            InputError: there is no such detector, or none of its findings is of that kind and others are.
        """
        known = sorted(self.known | {one.detector for one in self})
        if known and detector not in known:
            raise InputError(f"No findings of '{brief(detector)}' among these.{meant(detector, known)}")
        kinds = {one.kind for one in self if one.detector == detector}
        if kind is not None and kinds and kind not in kinds:
            raise InputError(f"No findings of the kind '{brief(kind)}' among these.{meant(kind, sorted(kinds))}")
        return self._some(one for one in self if one.detector == detector and kind in (None, one.kind))

    @takes
    def in_layer(self, layer: Number) -> "Findings":
        """Those of a layer, 0-based."""
        return self._some(one for one in self if one.layer == layer)

    @takes
    def with_verdict(self, verdict: VerdictWord) -> "Findings":
        """Those with a verdict, e.g. "confirmed"."""
        return self._some(one for one in self if one.verdict == verdict)

    def _some(self, found: Iterable[Finding]) -> "Findings":
        return Findings(found, self.known)

    def frame(self) -> "pd.DataFrame":
        """A DataFrame, one row per finding; see `Finding` for the columns."""
        return frame_of(self, Finding)

    def __repr__(self) -> str:
        kinds = Counter(f"{one.detector}: {one.kind}" for one in self)
        said = brief(", ".join(f"{count:,} {kind}" for kind, count in kinds.items()), 120)
        return f"<{counted(len(self), 'finding')}{f' ({said})' if said else ''}>"

    def _repr_html_(self) -> str:
        return page(repr(self), (), {"Findings": self.frame()})


@dataclass(frozen=True, repr=False, eq=False)
class Effect(Alike):
    """A tested change: what was done to which target, beside matched random controls of it.

    `change` is the mean over `n` independent inputs with its interval; `twin_low` and `twin_high`
    hold 95 % of the controls' changes; `p` is (1 + controls that change as much) / (1 + controls), `q` that
    adjusted over the targets of one op, metric and claim; `verdict` is on the claim, and `reason` says why;
    a change within ±`margin` is too small to matter;
    `untouched` is the metric's mean without the change; `detector` names whose finding was tested; `worst` is the
    largest |change| of a single input.
    """

    target: str
    op: str
    metric: str
    change: float
    low: float
    high: float
    twin_change: float
    twin_low: float
    twin_high: float
    n: int
    p: float
    q: float
    verdict: VerdictWord = "undecided"
    reason: str = ""
    twins: int = 0
    claim: Claim = "change"
    margin: float = 0.05
    untouched: float = float("nan")
    detector: str = ""
    worst: float = float("nan")

    def frame(self) -> "pd.DataFrame":
        """A DataFrame of one row, as `inspector.figures.effect_intervals` takes it."""
        return frame_of((self,), Effect)

    def __repr__(self) -> str:
        op = operation_words(self.op)
        done = brief(self.target if op in self.target else f"{op} of {self.target}", 70)
        ends = f"{self.change:+.3g} [{self.low:+.3g}, {self.high:+.3g}]"
        return f"<Effect of {done} on {brief(metric_words(self.metric), 20)}: {ends}, {self.verdict}>"

    def _repr_html_(self) -> str:
        return page(repr(self), [self.reason] if self.reason else [], {"Effect": upright(self)})


def upright(row: Any) -> "pd.DataFrame":
    """A dataclass's value as a table, a row for each of its fields."""
    import pandas as pd

    return pd.DataFrame(asdict(row).items(), columns=["what", "value"])


def frame_of(rows: Sequence[Any], kind: type[Any]) -> "pd.DataFrame":
    """Findings or effects as a DataFrame, a row each; a unit or position that there isn't is empty."""
    import pandas as pd

    columns = [f.name for f in fields(kind)]
    table = pd.DataFrame([asdict(row) for row in rows], columns=columns)
    whole = [name for name in ("layer", "unit", "position") if name in columns]
    return table.astype(dict.fromkeys(whole, "Int64"))


@dataclass(frozen=True)
class Verdict:
    """What a tested change says of findings: those of one unit, from layer `first` to `last`.

    `unit` and `position` are as in `Finding`; a position of None covers findings at any.
    """

    detector: str
    unit: int | None
    first: int
    last: int
    position: int | None
    verdict: VerdictWord

    def covers(self, finding: Finding) -> bool:
        """Whether the verdict is on this finding."""
        same = (finding.detector, finding.unit) == (self.detector, self.unit)
        return same and self.first <= finding.layer <= self.last and self.position in (None, finding.position)


@dataclass(frozen=True, repr=False)
class Sentence:
    """One statement about a run, in plain words.

    Args:
        section: the detector that says it, or what it is about: `model`, `input`, `note`, `fault`.
        text: a whole sentence or a few.
        caveat: what it doesn't mean.
        tested: whether it tells the result of an intervention.
    """

    section: str
    text: str
    caveat: str = ""
    tested: bool = False

    def __str__(self) -> str:
        return f"{self.text} {self.caveat}".rstrip()

    def __repr__(self) -> str:
        return f"<{self.section}: {self}>"


HARMLESS = {"confirmed": "harmless", "refuted": "not harmless"}


OPERATIONS = {
    "zero": "zero ablation",
    "zero, as far": "size-matched control",
    "mean": "mean ablation",
    "drop": "MLP ablation",
    "hide": "attention knockout",
    "hide all": "attention knockout of all",
    "scale": "scaling",
}
"""A trial's operation by its stored name, in the field's words."""


METRICS = {
    "kl": "divergence",
    "sink_rate": "sink rate",
    "made_up": "incorrect answers",
    "accuracy": "correct answers",
    "compliance": "false premises answered",
    "unparsed": "answers that can't be parsed",
}
"""A trial's metric by its stored name, in the field's words."""


def metric_words(metric: str) -> str:
    """A trial's metric in the field's words; its own name where there are none."""
    return METRICS.get(metric, metric)


def operation_words(operation: str) -> str:
    """A trial's operation in the field's words; its own name where there are none."""
    return OPERATIONS.get(operation, operation)


def verdict_word(verdict: str, claim: str) -> str:
    """A verdict in a word; on a claim that nothing changes, in the claim's own words."""
    return HARMLESS.get(verdict, verdict) if claim == "none" else verdict


@dataclass(frozen=True, repr=False, eq=False)
class Record(Alike):
    """A run's content as plain values: what is saved, opened and tabulated.

    Args:
        card: the model: name, source, architecture, sizes, dtype, fingerprint, checks.
        settings: everything that was chosen: detectors, thresholds, BOS, seed, windows.
        evidence: by name; a detector's controls are named `detector.control`.
        findings: in the order of detectors, then strength.
        tokens: the input tokens, columns text, source, position, id, token.
        effects: tested changes, empty before verification.
        notes: what a reader must know: texts cut, tokens left out, sites absent.
        tables: columns of text and numbers that a study keeps beside its arrays, by name.
        verdicts: what the tested changes say of which findings, empty before verification.
    """

    card: Mapping[str, Any]
    settings: Mapping[str, Any]
    evidence: Mapping[str, Evidence]
    findings: tuple[Finding, ...]
    tokens: Mapping[str, np.ndarray]
    effects: tuple[Effect, ...] = ()
    notes: tuple[str, ...] = ()
    tables: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)
    verdicts: tuple[Verdict, ...] = ()

    def __repr__(self) -> str:
        studied = self.settings.get("study")
        number = studied.get("questions", 0) if studied else self.settings.get("texts") or 0
        what = f"on {number:,} {'questions' if studied else 'texts'}"
        tested = f", {len(self.effects):,} effects" if self.effects else ""
        detectors = brief(", ".join(self.settings.get("detectors", ())))
        found = f"{detectors}; {counted(len(self.findings), 'finding')}{tested}"
        return f"<{type(self).__name__} of {brief(self.card.get('name'), 40)} {what}: {found}>"
