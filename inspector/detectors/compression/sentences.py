"""What compression breaks, in words; of tables alone, so that a saved run says what the measurement said."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from inspector.detectors.shown import TextTable

AS_IS = "as it is"
"""The remedy that is none."""
HELPS = "helps, more than random ones"
LESS, NO_LESS, UNTESTED = "less than random heads", "no less than random heads", "too few random sets to tell"
NOT_FINITE = "not finite, so nothing can be told"
PLURAL = {"layer": "layers", "attention": "layers' attention", "mlp": "MLPs", "head": "heads"}


def worst_first(parts: pd.DataFrame) -> pd.DataFrame:
    """The matrices, or where these weren't tried one by one the layers, the one that costs most alone first."""
    what = "matrix" if (parts["what"] == "matrix").any() else "layer"
    return parts[parts["what"] == what].sort_values("kl", ascending=False, ignore_index=True, kind="stable")


def of_quantisation(parts: pd.DataFrame, remedies: pd.DataFrame, words: str) -> Iterator[str]:
    """What one scheme costs, where, and what helps."""
    whole = parts.iloc[0]
    yield f"{whole['scheme']}: {words}."
    if not np.isfinite(whole["kl"]):
        yield "All together the logits are NaN or infinite: this scheme breaks the model."
    else:
        yield (
            f"All together it changes the loss by {whole['loss']:+.3f} nats a token [{whole['loss_low']:+.3f}, "
            f"{whole['loss_high']:+.3f}]; KL {whole['kl']:.3g} [{whole['kl_low']:.3g}, {whole['kl_high']:.3g}]."
        )
    if len(worst := worst_first(parts)):
        first = worst.iloc[0]
        ends = f"[{first['kl_low']:.3g}, {first['kl_high']:.3g}]"
        yield f"Alone {first['name']} costs most: KL {first['kl']:.3g} {ends}."
    for row in remedies[remedies["remedy"] != AS_IS].itertuples():
        yield f"{row.remedy} ({row.spares}): KL {row.kl:.3g}; {row.verdict}."


def freed(heads: pd.DataFrame) -> float:
    """Share of the key-value heads all of whose query heads are chosen: what of a cache can be small."""
    return float(heads.groupby(["layer", "kv_head"])["served"].all().mean())


def of_windows(
    heads: pd.DataFrame, tests: pd.DataFrame, caches: pd.DataFrame, facts: Mapping[str, Any]
) -> Iterator[str]:
    """Which heads a window would serve, what the test says, and how whole caches do."""
    yield (
        f"{int(heads['served'].sum())} of {len(heads)} heads place at most {facts['most']:.0%} of their attention "
        f"outside the first {facts['first']} and the last {facts['last']} keys; {freed(heads):.0%} of the key-value "
        "heads serve such heads alone."
    )
    p = "" if _missing(facts["p"]) else f" (p = {facts['p']:.2g})"
    chosen, random = (tests[tests["heads"] == name] for name in ("chosen", "random"))
    if len(chosen):
        row = chosen.iloc[0]
        yield (
            f"With exactly these under that window the loss changes by {row['loss']:+.4f} nats a token "
            f"[{row['loss_low']:+.4f}, {row['loss_high']:+.4f}]; KL {row['kl']:.3g}."
        )
    if len(chosen) and len(random):
        yield (
            f"With as many random heads, {len(random)} times: {random['loss'].mean():+.4f} "
            f"({random['loss'].min():+.4f} to {random['loss'].max():+.4f}); KL {random['kl'].mean():.3g}: "
            f"{facts['verdict']}{p}."
        )
    for cache in caches.itertuples():
        yield f"All heads, {cache.rule}: the loss changes by {cache.loss:+.3f}, KL {cache.kl:.3g}."


def of_removals(parts: pd.DataFrame, sets: pd.DataFrame, facts: Mapping[str, Any]) -> Iterator[str]:
    """What costs most and least, and what makes spikes and sinks go."""
    sinks = facts["sink_rate"]
    if _missing(facts["loss"]) or _missing(facts["largest"]):
        yield "The unmodified model's loss or streams are not finite, so nothing can be told of its parts."
        return
    yield (
        f"The unmodified model: loss {facts['loss']:.3f} nats a token, largest |x| {facts['largest']:,.0f}"
        + ("." if _missing(sinks) else f", sink rate {sinks:.0%}.")
    )
    for what, rows in parts.groupby("what", sort=False):
        order = rows.sort_values("kl", na_position="last", kind="stable")
        yield (
            f"Of the {len(rows)} {PLURAL[str(what)]} taken out alone, {order.iloc[-1]['name']} costs most "
            f"({_cost(order.iloc[-1])}) and {order.iloc[0]['name']} least ({_cost(order.iloc[0])})."
        )
    alone = parts[parts["what"] != "layer"]
    for column, words in (("largest", "The largest |x|"), ("sink_rate", "The sink rate")):
        if not _missing(facts[column]):
            yield from _halved(alone, column, words, facts[column])
    for (of, share), rows in sets.groupby(["of", "share"], sort=False):
        costs = ", ".join(f"{by} KL {kl:.3g}" for by, kl in rows.groupby("by", sort=False)["kl"].mean().items())
        matrices = " outside experts" if facts.get("experts_apart") else ""
        where = "neurons of each layer" if of == "neurons" else f"weights of each row{matrices}"
        yield f"Without {share:.0%} of the {where}: {costs}."


def _halved(parts: pd.DataFrame, column: str, words: str, whole: float) -> Iterator[str]:
    """Parts without which a number is less than half of what it is."""
    half = parts[parts[column] < 0.5 * whole].sort_values(column, kind="stable")
    if not len(half):
        return
    shown = (lambda x: f"{x:.0%}") if column == "sink_rate" else (lambda x: f"{x:,.0f}")
    few = zip(half["name"].head(3), half[column].head(3), strict=True)
    named = ", ".join(f"{name} ({shown(value)})" for name, value in few)
    left = len(half) - len(half.head(3))
    more = f", and without {left} other{'s' * (left > 1)}" if left else ""
    yield f"{words} falls to less than half without {named}{more}."


def _missing(value: Any) -> bool:
    """Whether a fact isn't known; NaN is saved as null."""
    return value is None or not np.isfinite(value)


def _cost(row: pd.Series) -> str:
    return f"loss {row['loss']:+.3f}, KL {row['kl']:.3g}"


def _bits(row: Any) -> str:
    """Bits of activations, weights and cache, as far as they are rounded; runs of earlier versions don't say."""
    values = (getattr(row, name, float("nan")) for name in ("activation_bits", "weight_bits", "cache_bits"))
    return " / ".join(f"{value:.2f}" for value in values if np.isfinite(value))


def tables(m: Any) -> Iterator[TextTable]:
    """For a terminal: what costs most under each scheme, remedies, sets of heads, parts."""
    if m.has("quantisation"):
        rows = [worst_first(some).head(5) for _, some in m.frame("quantisation").groupby("scheme", sort=False)]
        yield TextTable(
            "What costs most alone",
            pd.concat(rows),
            {"scheme": "{scheme}", "part": "{name}", "loss": "{loss:+.4f}", "KL": "{kl:.3g}"},
            left=("scheme", "part"),
        )
    if m.has("remedies"):
        yield TextTable(
            "Remedies",
            m.frame("remedies"),
            {
                "scheme": "{scheme}",
                "remedy": "{remedy}",
                "bits": _bits,
                "loss": "{loss:+.4f}",
                "KL": "{kl:.3g}",
                "says": "{verdict}",
            },
            left=("scheme", "remedy", "says"),
        )
    if m.has("window_tests"):
        rows = m.frame("window_tests").query("heads == 'chosen' or heads == 'least elsewhere'")
        yield TextTable(
            "Heads under the window",
            rows,
            {"heads": "{heads}", "count": "{count}", "loss": "{loss:+.4f}", "KL": "{kl:.3g}"},
            left=("heads",),
        )
    if m.has("removals"):
        yield TextTable(
            "What is cheapest to take out alone",
            m.frame("removals").nsmallest(8, "kl"),
            {"part": "{name}", "loss": "{loss:+.4f}", "KL": "{kl:.3g}", "largest |x|": "{largest:,.0f}"},
            left=("part",),
        )
