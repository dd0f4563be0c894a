"""What a verification found, in plain sentences."""

from collections.abc import Iterator

import pandas as pd

from inspector.records import Record, verdict_word
from inspector.run.tables import frame, names


def tested(record: Record) -> Iterator[str]:
    """Sentences on what was tested by intervening; none for a run that wasn't verified."""
    effects, known = frame(record, "effects"), names(record)
    losses = effects[effects["metric"] == "loss"]
    for op, done in (("zero", "zeroed"), ("mean", "set to its mean"), ("drop", "left out")):
        for row in losses[losses["op"] == op].itertuples():
            word = verdict_word(row.verdict, row.claim)
            yield f"Tested: {row.target}, {done}: {_change(row, 'loss')}: {word}.{_as_far(losses, row.target, op)}"
    yield from _heads(effects)
    if "windows" in known:
        yield _windows(frame(record, "windows").set_index("kept"))
    yield from _neurons(effects)


def _as_far(losses: pd.DataFrame, target: str, op: str) -> str:
    """How zeroing a spike compares with changes of other dims that are as large."""
    rows = losses[(losses["target"] == target) & (losses["op"] == f"{op}, as far")]
    return "".join(
        f" As large a change of other dims: {row.twin_low:+.3f} to {row.twin_high:+.3f} (p = {row.p:.2g})."
        for row in rows.itertuples()
    )


def _heads(effects: pd.DataFrame) -> Iterator[str]:
    alone = effects[(effects["op"] == "hide") & (effects["metric"] == "kl")]
    for loss in effects[(effects["op"] == "hide all") & (effects["metric"] == "loss")].itertuples():
        yield f"Tested: {loss.target}, hidden from them: {_change(loss, 'loss')}: {loss.verdict}."
    if len(alone):
        counts = ", ".join(f"{n} {verdict}" for verdict, n in alone["verdict"].value_counts().items())
        top = alone.loc[alone["change"].idxmax()]
        yield (
            f"Of {len(alone)} sink heads whose key was hidden one by one, by how far predictions move: {counts}. The "
            f"most: {top['target']}, by {top['change']:.3g} nats (of heads that are no sinks 95 % by less than "
            f"{top['twin_high']:.2g})."
        )


def _windows(windows: pd.DataFrame) -> str:
    none, first, others = (windows.loc[kept] for kept in ("nothing", "the first", "4 others"))
    return (
        f"With a window that slides over the cache the loss changes by {none['change']:+.2f}; with the first token "
        f"kept by {first['change']:+.2f}; with four other early tokens kept by {others['change']:+.2f}."
    )


def _neurons(effects: pd.DataFrame) -> Iterator[str]:
    scaled = effects[effects["op"] == "scale"].set_index("metric")
    if not len(scaled):
        return
    made_up, prose = scaled.loc["made_up"], scaled.loc["loss"]
    yield (
        f"Tested: {made_up['target']}, scaled by 0 to 3, per unit of α: "
        f"{_change(made_up, 'share of made-up answers')}: {made_up['verdict']}. The loss of ordinary prose: "
        f"{prose['change']:+.4f} [{prose['low']:+.4f}, {prose['high']:+.4f}]."
    )


def _change(row: object, what: str) -> str:
    names = ("change", "low", "high", "twin_low", "twin_high")
    numbers = [getattr(row, name) for name in names]
    digits = 3 if max(map(abs, numbers)) >= 0.05 else 4
    change, low, high, twin_low, twin_high = (f"{number:+.{digits}f}" for number in numbers)
    return f"{what} {change} [{low}, {high}], random twins {twin_low} to {twin_high}"
