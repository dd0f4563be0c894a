"""Runs of a corpus's shards as the run of the whole: `merge`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from inspector.arguments import takes
from inspector.detectors.pooled import OF_SAMPLE, in_sample, joined, note_of
from inspector.errors import DetectorError, InputError, InspectorError
from inspector.printable import listed
from inspector.records import Evidence, Findings
from inspector.run.changed import changes_in_words
from inspector.run.report import Report

COUNTED = ("texts", "sequences", "begin_with_bos")
"""Settings that are numbers of texts, which add up."""
OF_MODEL = ("Not measured", "Attention was read", "Scanned under", "Scanned with")
"""What notes begin with that are of the model, and the same in all shards."""
PLAIN = ("shard",)
"""Settings that differ between shards."""


@takes
def merge(reports: Iterable[Report]) -> Report:
    """The report of all shards' texts together, as one scan of them all would give it.

    Evidence is merged by each detector's own rule and judged again; the order of the shards doesn't matter. Shards
    come from `examine(…, shard=(1, 4))` and so on, or from scans whose texts are numbered apart (`first_text=`).

    Args:
        reports: of scans by one model under the same settings.

    Raises:
        InputError: fewer than two, a study, other models or settings, a text in two of them, a shard that is missing.
    """
    parts = list(reports)
    kinds = [type(one).__name__ for one in parts]
    if len(parts) < 2 or not all(isinstance(one, Report) for one in parts):
        raise InputError(f"merge got {listed(kinds)}. Pass two Reports or more, from examine or open_run.")
    _refuse(parts)
    first = parts[0]
    tokens = _tokens(parts, first.settings.get("sample"))
    evidence = {name: _merged(name, parts) for name in first.evidence}
    settings = {name: value for name, value in first.settings.items() if name not in PLAIN}
    settings |= {name: sum(one.settings[name] for one in parts) for name in COUNTED if _all_have(parts, name)}
    whole = Report(first.card, settings, evidence, Findings(), tokens).judge()
    return replace(whole, notes=tuple(dict.fromkeys((*_notes(whole, parts), *whole.notes))))


def _all_have(parts: Sequence[Report], name: str) -> bool:
    """Whether every shard has this setting; runs of earlier versions may not."""
    return all(one.settings.get(name) is not None for one in parts)


def _refuse(parts: Sequence[Report]) -> None:
    """Check that the shards are of one scan, and that none is missing."""
    first = parts[0]
    if any("study" in one.settings or one.effects for one in parts):
        raise InputError("Hallucination studies and verified runs can't be merged. Merge scans, then verify.")
    for one in parts:
        if apart := [name for name, e in one.evidence.items() if "text" not in e.arrays]:
            raise InputError(
                f"A run that keeps other measurements ('{apart[0]}') can't be merged. Merge scans, then measure."
            )
    for one in parts[1:]:
        for what, mine, other in (
            ("weights", first.card["fingerprint"], one.card["fingerprint"]),
            ("dtype", first.card["dtype"], one.card["dtype"]),
            ("what is changed in the model", *(changes_in_words(of.settings) or "nothing" for of in (first, one))),
            *((name, first.settings.get(name), one.settings.get(name)) for name in _settings(parts)),
            ("evidence", sorted(first.evidence), sorted(one.evidence)),
        ):
            if mine != other:
                raise InputError(
                    f"These runs can't be merged: {what} is {mine!s:.60} in one and {other!s:.60} in another."
                )
    shards = [tuple(one.settings["shard"]) for one in parts if one.settings.get("shard")]
    if shards:
        of = shards[0][1]
        if len(shards) < len(parts) or any(other != of for _, other in shards):
            raise InputError("Some of these runs are shards of one corpus and others aren't. Merge its shards alone.")
        missing = sorted({(number, of) for number in range(1, of + 1)} - set(shards))
        if missing:
            raise InputError(f"Shard {missing[0][0]}/{missing[0][1]} is missing. Merge all of them at once.")


def _settings(parts: Sequence[Report]) -> list[str]:
    return sorted({name for one in parts for name in one.settings} - {*COUNTED, *PLAIN})


def _merged(name: str, parts: Sequence[Report]) -> Evidence:
    """All shards' evidence; a control input is the same in each, and counts once."""
    first = parts[0]
    if "." in name:
        return first.evidence[name]
    part, every = first.part(name), [one.evidence[name] for one in parts]
    sample: int | None = first.settings.get("sample")  # runs of earlier versions keep every row
    rows = sum(len(one["text"]) for one in every)
    if part is None and sample is not None and rows > sample:
        raise InputError(f"Detector '{name}' is not installed here, and its texts have to be pooled. Install it.")
    try:
        return every[0].merge(*every[1:]) if part is None else joined(part.detector, every, sample)
    except InspectorError as error:
        raise InputError(str(error)) from error


def _notes(whole: Report, parts: Sequence[Report]) -> Iterator[str]:
    """What was noted of a shard is said to be of that shard, but for what is of the model; detectors note all anew."""
    sequences, sample = (whole.settings.get(name) or 0 for name in ("sequences", "sample"))
    if sequences > sample > 0:
        yield note_of(sequences, sample)
    for one in parts:
        where = f"Shard {one.settings['shard'][0]}/{one.settings['shard'][1]}: " if one.settings.get("shard") else ""
        brought = _brought(one)
        for note in one.notes:
            if note not in brought and not note.endswith(OF_SAMPLE):
                yield note if note.startswith(OF_MODEL) else f"{where}{note}"
    yield from _brought(whole)


def _brought(report: Report) -> list[str]:
    """What detectors note of a report."""
    found: list[str] = []
    for part in report.parts:
        try:
            found += part.ask("notes") or ()
        except DetectorError:
            continue
    return found


def _tokens(parts: Sequence[Report], sample: int | None) -> Mapping[str, np.ndarray]:
    joined_up = {name: np.concatenate([one.tokens[name] for one in parts]) for name in parts[0].tokens}
    texts = np.unique(joined_up["text"])
    chosen = texts if sample is None else texts[in_sample(texts, sample)]
    order = np.lexsort((joined_up["position"], joined_up["text"]))
    order = order[np.isin(joined_up["text"][order], chosen)]
    return {name: column[order] for name, column in joined_up.items()}
