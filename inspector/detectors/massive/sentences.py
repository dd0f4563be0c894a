"""Massive activations in words: sentences, tables for a terminal, tiles."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from inspector.detectors.agreement import FIXED_SHARE
from inspector.detectors.effects_text import change, effects_table, said_verdict
from inspector.detectors.measured import Measured
from inspector.detectors.shown import TextTable, Tile, token_text
from inspector.figures.words import rounded
from inspector.printable import counted
from inspector.records import Effect, Sentence

PLATEAUS_SHOWN, ROWS_SHOWN = 6, 12
NAMED = 4
"""Dims that are named beside the largest of their token."""
READABLE = 1e9
FEW_TEXTS = 0.05
"""A smaller share of texts is said as a number of texts."""

DONE = {"zero": "zero-ablated", "mean": "mean-ablated", "drop": "ablated"}
"""What was done to a spike, or to the MLPs that write it, in words."""


def found(m: Measured) -> Iterator[Sentence]:
    """What is massive, by the thresholds in force, and the life cycle of each plateau."""
    layers, plateaus = m.frame("layers"), m.frame("plateaus")
    flagged = layers[layers["n_flagged"] > 0]
    if not len(flagged):
        seen = layers.dropna(subset=["max"])
        if not len(seen):
            yield Sentence(m.name, "Massive activations: insufficient data, no layer had a finite activation.")
            return
        top = seen.loc[seen["ratio"].idxmax() if seen["ratio"].notna().any() else seen["max"].idxmax()]
        yield Sentence(
            m.name,
            "Massive activations: none by the definition in force. The largest entry is "
            f"{_number(float(top['max']), 1)}, {ratio_words(top['ratio'])}, at layer {int(top['layer'])}.",
        )
    else:
        top = flagged.loc[flagged["max"].idxmax()]
        yield Sentence(
            m.name,
            f"Massive activations: {counted(int(flagged['n_flagged'].sum()), 'entry', 'entries')} in "
            f"{counted(len(flagged), 'layer')}; the largest "
            f"is {_number(float(top['max']), 1)} in dim {int(top['dim'])} {_where(top)}, layer "
            f"{int(top['layer'])}, {ratio_words(top['ratio'])}.",
        )
    for plateau in plateaus[plateaus["main"]].head(PLATEAUS_SHOWN).to_dict("records"):
        yield Sentence(m.name, _plateau(m, plateau))
    yield from _quantised(m)


def _where(top: "pd.Series[Any]") -> str:
    """At which position a layer's largest entry is; it isn't known of a text without a row."""
    return "of a text outside the sample" if top["position"] < 0 else f"at position {int(top['position'])}"


def ratio_words(ratio: float) -> str:
    """How many medians an entry is, in words."""
    return "with a ratio that is undefined, as the median is 0" if pd.isna(ratio) else f"{_number(ratio)} × the median"


def _number(x: float, digits: int = 0) -> str:
    """A number with commas; in powers of ten where nobody could read them."""
    return f"{x:,.{digits}f}" if abs(x) < READABLE else f"{x:.3g}"


def _are_outliers(number: int) -> str:
    return "is an outlier" if number == 1 else "are outliers"


def _plateau(m: Measured, p: dict[Any, Any]) -> str:
    where = "at varying positions" if pd.isna(p["position"]) else f"at position {p['position']}"
    strict = "" if p["flagged"] else " (too small for the thresholds in force)"
    end = "the last" if pd.isna(p["step_down"]) else f"and falls below half of it at layer {p['step_down']}"
    single = p["first"] == p["last"]
    layers = f"after layer {p['first']} alone" if single else f"from layer {p['first']} to {p['last']}, {end}"
    over = "texts" if p["texts"] == 1 else "the texts that have it"
    return (
        f"Dim {p['dim']} {where} averages {_value(p)} over {over} {layers}; in "
        f"{_share(p, len(m.evidence['text']))}{strict}.{_with_it(m, p)}{_written_by(m, p)}"
    )


def _value(p: dict[Any, Any]) -> str:
    """A plateau's mean, and how many texts share its sign where not all do."""
    if p["sign_agreement"] == 1:
        return _number(p["value"])
    if p["sign_agreement"] >= FIXED_SHARE:
        return f"{_number(p['value'])} (this sign in {p['sign_agreement']:.0%} of them)"
    return f"|x| = {_number(p['value'])} with either sign (the commoner one in {p['sign_agreement']:.0%} of them)"


def _share(p: dict[Any, Any], texts: int) -> str:
    """In which share of texts; in how many where that is few."""
    return f"{p['texts']:.0%} of texts" if p["texts"] >= FEW_TEXTS else f"{p['n']} of {texts:,} texts"


def _with_it(m: Measured, p: dict[Any, Any]) -> str:
    """The other dims that are large at a plateau's tokens."""
    every = m.frame("plateaus")
    here = every["position"].eq(p["position"]) if not pd.isna(p["position"]) else every["position"].isna()
    same = here & (every["token"].fillna("") == (p["token"] or "")) & (every["dim"] != p["dim"]) & ~every["main"]
    mine = every[same & (every["first"] <= p["last"]) & (every["last"] >= p["first"])].drop_duplicates("dim")
    if not len(mine):
        return ""
    few = mine.sort_values("flagged", ascending=False, kind="stable").head(NAMED)
    named = ", ".join(f"dim {row['dim']} ({_value(row)})" for row in few.to_dict("records"))
    more = f" and {len(mine) - len(few)} more" if len(mine) > len(few) else ""
    return f" Large at the same token: {named}{more}."


def _written_by(m: Measured, plateau: dict[Any, Any]) -> str:
    """Who adds a plateau's value in its first block, if that block adds most of it."""
    writers, every = m.frame("writers"), m.frame("plateaus")
    alike = every[(every["dim"] == plateau["dim"]) & (every["first"] == plateau["first"])]
    mine = writers[(writers["dim"] == plateau["dim"]) & (writers["layer"] == plateau["first"])].set_index("writer")
    if "before" not in mine.index or alike["value"].abs().max() > abs(plateau["value"]):
        return ""
    before, layer = float(mine.loc["before", "value"]), plateau["first"]
    if abs(before) >= abs(plateau["value"]) / 2:
        return f" {_number(before)} of it was there before layer {layer}."
    part = "mlp" if abs(mine.loc["mlp", "value"]) >= abs(mine.loc["attention", "value"]) else "attention"
    neurons = ""
    if part == "mlp" and "neuron" in mine.index:
        top = mine.loc[["neuron"]].head(2)
        neurons = ", mostly neurons " + " and ".join(f"{row.neuron} ({row.share:.0%})" for row in top.itertuples())
        neurons = neurons.replace("neurons", "neuron", 1) if len(top) == 1 else neurons
    known = "the MLP" if part == "mlp" else "attention"
    return f" In layer {layer} {known} adds {_number(mine.loc[part, 'value'])} to {_number(before)}{neurons}."


def _quantised(m: Measured) -> Iterator[Sentence]:
    """What int8 would cost, outliers by neighbouring definitions, and the spike token's direction after the norm."""
    layers = m.frame("layers")
    worst = layers[layers["n_flagged"] > 0].nlargest(1, "int8_error")
    said = [
        f"per-tensor int8 of layer {int(row.layer)}'s stream loses {row.int8_error:.1%} of the other entries' size, "
        f"{row.int8_error_without:.1%} were the flagged ones kept apart"
        for row in worst.itertuples()
    ]
    dims, tokens = m.frame("outliers"), m.frame("token_outliers")
    if len(dims):
        number = int(dims["outlier"].sum())
        said.append(f"{number} of {len(dims)} dims {_are_outliers(number)} by LLM.int8's rule")
    if "input_max" in m.evidence.arrays:
        where = tokens.groupby(["text", "position"]).ngroups
        said.append(f"{counted(where, 'token')} {_are_outliers(where)} at an MLP's last matrix by PrefixQuant's")
    if said:
        yield Sentence(m.name, f"Neighbouring definitions: {'; '.join(said)}.")
    directions = m.frame("directions").dropna(subset=["cosine"])
    flagged = directions[directions["layer"].isin(layers.loc[layers["n_flagged"] > 0, "layer"] + 1)]
    if len(flagged):
        row = flagged.loc[flagged["cosine"].idxmax()]
        yield Sentence(
            m.name,
            f"After the norm the token with a text's largest entry has a mean cosine of {row['cosine']:.2f} between "
            f"texts at the input of layer {int(row['layer'])} (last tokens {row['cosine_last_token']:.2f}), some "
            f"{row['effective_dims']:.1f} dims in effect.",
        )


def tested(m: Measured) -> Iterator[Sentence]:
    """What the interventions on spikes and on their direct contributors did to the loss."""
    losses = [one for one in m.effects if one.metric == "loss"]
    for op, done in DONE.items():
        for one in (effect for effect in losses if effect.op == op):
            far = "".join(
                _as_far(other) for other in losses if (other.target, other.op) == (one.target, f"{op}, as far")
            )
            text = f"Tested: {one.target}, {done}: {change(one, 'loss')}: {said_verdict(one)}.{far}"
            yield Sentence(m.name, text, tested=True)


def _as_far(effect: Effect) -> str:
    """How zeroing a spike compares with changes of other dims that are as large."""
    band = f"{effect.twin_low:+.3f} to {effect.twin_high:+.3f}"
    return f" Size-matched controls (other dims changed by as much): {band} (p = {effect.p:.2g})."


WAYS = {
    "here": ("|x| there", "{here:,.0f}"),
    "largest": ("|x| anywhere", "{largest:,.0f}"),
    "sink_rate": ("sinks at key 0", "{sink_rate:.3f}"),
    "any_sink": ("at any key", "{any_sink:.3f}"),
    "loss": ("loss", "{loss:.3f}"),
}
"""A column of `spike_sink`: its header, and how its numbers are written."""


def way_words(done: str) -> str:
    """What was ablated (the column `done`), in the field's words."""
    if done == "untouched":
        return "baseline (unmodified)"
    return done.replace("writers dropped", "writing MLPs ablated").replace("spike zeroed", "spike zero-ablated")


def tables(m: Measured) -> Iterator[TextTable]:
    """Plateaus, and what tests measured."""
    plateaus = m.frame("plateaus")
    main = plateaus[plateaus["main"]]
    yield TextTable(
        "Massive activations: plateaus of the residual stream "
        f"({(~plateaus['dim'].isin(main['dim'])).sum()} more dims co-occur at their tokens)",
        main.head(ROWS_SHOWN),
        {
            "dim": "{dim}",
            "layers": "{first}–{last}",
            "position": lambda row: "varies" if pd.isna(row.position) else str(row.position),
            "token": lambda row: token_text(row.token),
            "mean value": lambda row: f"{'' if row.sign_agreement >= FIXED_SHARE else '±'}{row.value:,.1f}",
            "peak × median": lambda row: "undefined" if pd.isna(row.ratio) else f"{row.ratio:,.0f}",
            "texts": lambda row: f"{row.texts:.0%}" if row.texts >= FEW_TEXTS else f"{row.n} texts",
            "layers flagged": "{flagged}",
            "verdict": lambda row: row.verdict or "not flagged",
        },
        left=("layers", "token", "verdict"),
    )
    if m.effects:
        yield effects_table(m, "Tested: the change of each metric, beside the same done to matched random controls")
    if m.has("spike_sink"):
        ways = m.frame("spike_sink")
        columns = {header: cell for name, (header, cell) in WAYS.items() if name in ways}
        yield TextTable(
            "Spike and sinks, each kept or ablated",
            ways,
            {"done": lambda row: way_words(row.done), **columns},
            ("done",),
        )


def tiles(m: Measured) -> Iterator[Tile]:
    """How many entries, and the largest."""
    layers = m.frame("layers").dropna(subset=["max"])
    where = f"in {int((layers['n_flagged'] > 0).sum())} of {len(layers)} layers"
    yield Tile("Massive activations", f"{int(layers['n_flagged'].sum()):,}", f"entries of the stream, {where}")
    if len(layers):
        top = layers.loc[layers["max"].idxmax()]
        ratio = "median 0" if pd.isna(top["ratio"]) else f"{rounded(top['ratio'])} × the median"
        more = f"{ratio}, dim {int(top['dim'])}, layer {int(top['layer'])}"
        yield Tile("Largest |x|", rounded(top["max"]), more)
