"""Figures of what compression breaks, and which of them a record has."""

import html
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from inspector.detectors.compression.sentences import HELPS
from inspector.detectors.measured import Measured
from inspector.figures.drawing import Drawing, Source
from inspector.figures.palette import BLUE, NEUTRAL, ORANGE, VIOLET
from inspector.figures.style import finish
from inspector.figures.two_models import error_over_depth

__all__ = [
    "eviction_losses",
    "head_reach",
    "part_costs",
    "quantised_parts",
    "remedy_gains",
    "set_costs",
    "window_costs",
]
"""What `inspector.figures` offers."""

LEAST = 1e-9
"""What a KL of 0 is drawn as, on a logarithmic axis."""
WHAT = {"layer": VIOLET, "attention": BLUE, "mlp": ORANGE, "head": NEUTRAL}


def _escaped(words: pd.Series) -> list[str]:
    """A run's own words, as text in a figure."""
    return [html.escape(str(one)) for one in words]


def _error(rows: pd.DataFrame, name: str) -> dict[str, Any]:
    return {
        "type": "data",
        "symmetric": False,
        "array": rows[f"{name}_high"] - rows[name],
        "arrayminus": rows[name] - rows[f"{name}_low"],
    }


def quantised_parts(parts: pd.DataFrame) -> go.Figure:
    """What each matrix costs alone under a scheme, over layers; of layers, where matrices weren't tried."""
    what = "matrix" if (parts["what"] == "matrix").any() else "layer"
    rows = parts[parts["what"] == what].sort_values("layer", kind="stable")
    figure = go.Figure()
    for part, mine in rows.groupby("part", sort=False):
        figure.add_scatter(
            x=mine["layer"],
            y=mine["kl"].clip(lower=LEAST),
            mode="lines+markers",
            name=html.escape(str(part or "layer")),
            hovertemplate="layer %{x}: KL %{y:.4g}<extra>%{fullData.name}</extra>",
        )
    figure.update_yaxes(type="log", title="KL alone, nats a token (log)")
    figure.update_xaxes(title="layer")
    if not rows["kl"].notna().any():
        return finish(figure, "No part's cost is finite")
    first = rows.loc[rows["kl"].idxmax()]
    named = html.escape(str(first["name"]))
    return finish(figure, f"{html.escape(str(first['scheme']))}: {named} costs most alone, KL {first['kl']:.3g}")


def remedy_gains(remedies: pd.DataFrame) -> go.Figure:
    """The KL under each remedy, beside the scheme as it is on the same texts."""
    helps = remedies["verdict"] == HELPS
    figure = go.Figure(
        go.Bar(
            y=_escaped(remedies["remedy"]),
            x=remedies["kl"],
            orientation="h",
            marker={"color": [VIOLET if one else NEUTRAL for one in helps]},
            error_x=_error(remedies, "kl"),
            customdata=remedies[["spares", "verdict"]].map(html.escape),
            hovertemplate="%{y} (%{customdata[0]}): KL %{x:.4g}; %{customdata[1]}<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed", automargin=True)
    figure.update_xaxes(title="KL from the unmodified model, nats a token")
    scheme = html.escape(str(remedies["scheme"].iloc[0]))
    return finish(figure, f"{scheme}: what a remedy leaves of the cost (coloured: more than random ones)")


def head_reach(heads: pd.DataFrame, first: int, last: int, most: float) -> go.Figure:
    """Each head's attention to first keys, last keys and elsewhere, the heads in order of the last."""
    rows = heads.sort_values("elsewhere", kind="stable", ignore_index=True)
    figure = go.Figure()
    for name, words, colour in (
        ("first", f"the first {first}", ORANGE),
        ("last", f"the last {last}", BLUE),
        ("elsewhere", "elsewhere", NEUTRAL),
    ):
        figure.add_bar(
            x=rows.index + 1,
            y=rows[name],
            name=words,
            marker={"color": colour, "line": {"width": 0}},
            customdata=rows[["layer", "head"]],
            hovertemplate="layer %{customdata[0]}, head %{customdata[1]}: %{y:.1%}<extra>%{fullData.name}</extra>",
        )
    served = int(rows["served"].sum())
    if served:
        figure.add_vline(x=served + 0.5, line={"color": VIOLET, "dash": "dot"})
    figure.update_layout(barmode="stack", bargap=0)
    figure.update_yaxes(title="share of attention", tickformat=".0%", range=[0, 1])
    figure.update_xaxes(title=f"heads, least elsewhere first (dotted: at most {most:.0%} elsewhere)")
    return finish(figure, f"{served} of {len(rows)} heads look almost only at the first and the last keys")


def window_costs(tests: pd.DataFrame, first: int, last: int) -> go.Figure:
    """The KL over the share of heads that are under a window, those that look least elsewhere beside random ones."""
    figure = go.Figure()
    chosen = tests[tests["heads"].isin(["chosen", "least elsewhere"])].sort_values("share")
    random = tests[tests["heads"].isin(["random", "random share"])].sort_values("share")
    for rows, name, colour, mode in (
        (random, "random heads", NEUTRAL, "markers"),
        (chosen, "least elsewhere first", VIOLET, "lines+markers"),
    ):
        figure.add_scatter(
            x=rows["share"],
            y=rows["kl"],
            mode=mode,
            name=name,
            marker={"color": colour},
            line={"color": colour},
            error_y=_error(rows, "kl") if rows is chosen else None,
            customdata=rows[["count", "loss"]],
            hovertemplate="%{customdata[0]} heads: KL %{y:.4g}, loss %{customdata[1]:+.4f}<extra></extra>",
        )
    figure.update_xaxes(title="share of the heads under the window", tickformat=".0%")
    figure.update_yaxes(title="KL from the unmodified model, nats a token", rangemode="tozero")
    return finish(figure, f"What a window of the first {first} and the last {last} keys costs")


def eviction_losses(caches: pd.DataFrame) -> go.Figure:
    """The change of loss with every head under one rule, caches of one size."""
    figure = go.Figure(
        go.Bar(
            y=_escaped(caches["rule"]),
            x=caches["loss"],
            orientation="h",
            marker={"color": VIOLET},
            error_x=_error(caches, "loss"),
            customdata=caches["kl"],
            hovertemplate="%{y}: loss %{x:+.3f}, KL %{customdata:.3g}<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed", automargin=True)
    figure.update_xaxes(title="change of loss, nats a token")
    return finish(figure, f"All heads with {int(caches['size'].iloc[0])} keys in the cache, by which keys are kept")


def part_costs(parts: pd.DataFrame) -> go.Figure:
    """The KL without each part alone, over the layers."""
    figure = go.Figure()
    for what, rows in parts.groupby("what", sort=False):
        figure.add_scatter(
            x=rows["layer"],
            y=rows["kl"].clip(lower=LEAST),
            mode="markers" if what == "head" else "lines+markers",
            name=html.escape(str(what)),
            marker={"color": WHAT[str(what)], "opacity": 0.6 if what == "head" else 1},
            customdata=np.stack([_escaped(rows["name"]), rows["loss"]], axis=-1),
            hovertemplate="%{customdata[0]}: KL %{y:.4g}, loss %{customdata[1]:+.4f}<extra></extra>",
        )
    figure.update_yaxes(type="log", title="KL without it, nats a token (log)")
    figure.update_xaxes(title="layer")
    if not parts["kl"].notna().any():
        return finish(figure, "No part's cost is finite")
    return finish(figure, f"What each part is worth: {html.escape(str(parts.loc[parts['kl'].idxmax(), 'name']))} most")


def set_costs(sets: pd.DataFrame) -> go.Figure:
    """The KL over the share of neurons or weights taken out, by how they were chosen; random sets one by one."""
    figure = go.Figure()
    for by, rows in sets.groupby("by", sort=False):
        figure.add_scatter(
            x=rows["share"],
            y=rows["kl"].clip(lower=LEAST),
            mode="markers" if by == "random" else "lines+markers",
            name=html.escape(str(by)),
            marker={"color": NEUTRAL} if by == "random" else {},
            customdata=rows["loss"],
            hovertemplate="without %{x:.0%}: KL %{y:.4g}, loss %{customdata:+.3f}<extra>%{fullData.name}</extra>",
        )
    where = "of each layer's neurons" if sets["of"].iloc[0] == "neurons" else "of each row's weights"
    figure.update_yaxes(type="log", title="KL, nats a token (log)")
    figure.update_xaxes(title=f"share {where} taken out", tickformat=".0%")
    return finish(figure, f"What it costs to take out a share {where}")


def drawings(m: Measured) -> dict[str, Drawing]:
    """The figures that this record can have, by name."""
    found: dict[str, Drawing] = {}
    for scheme in m.frame("quantisation")["scheme"].unique() if m.has("quantisation") else ():
        rows = m.frame("quantisation").query("scheme == @scheme")
        if (rows["what"] != "all").any():
            source = Source("quantisation", f"scheme == {scheme!r}")
            found[f"compression.quantisation.{scheme}"] = Drawing(quantised_parts, (source,), {}, ALONE)
    for scheme in m.frame("remedies")["scheme"].unique() if m.has("remedies") else ():
        source = Source("remedies", f"scheme == {scheme!r}")
        found[f"compression.remedies.{scheme}"] = Drawing(remedy_gains, (source,), {}, REMEDIES)
    if m.has("windowable_heads"):
        facts = m.evidence.facts["windows"]
        window = {"first": facts["first"], "last": facts["last"]}
        arguments = {**window, "most": facts["most"]}
        found["compression.heads"] = Drawing(head_reach, ("windowable_heads",), arguments, HEADS)
        found["compression.windows"] = Drawing(window_costs, ("window_tests",), window, WINDOWS)
        found["compression.evictions"] = Drawing(eviction_losses, ("evictions",), {}, EVICTIONS)
    if m.has("removals"):
        found["compression.removals"] = Drawing(part_costs, ("removals",), {}, PARTS)
    for of in m.frame("removed_sets")["of"].unique() if m.has("removed_sets") else ():
        source = Source("removed_sets", f"of == {of!r}")
        found[f"compression.removed.{of}"] = Drawing(set_costs, (source,), {}, SETS)
    if m.has("differing_layers"):
        found["compression.layers"] = Drawing(error_over_depth, ("differing_layers",), {}, LAYERS)
    return found


ALONE = "Each part alone under the scheme, all others as they are. What parts cost alone needn't add up."
REMEDIES = "The scheme with a remedy, on texts that the remedy wasn't chosen on; bars are 95 % intervals over texts."
HEADS = "Where attention goes once a text is longer than the window. It doesn't say what a head needs: the test does."
WINDOWS = "Heads under the window, on texts that they weren't chosen on. Grey: as many heads drawn at random."
EVICTIONS = "Every head with a cache of the same size. Keys keep their own positions, which a real cache may not."
PARTS = "One part at a time writes nothing to the stream. What is cheap alone may not be cheap together."
SETS = "Taken out of all layers at once, without any training afterwards. Grey: drawn at random."
LAYERS = "How far the second model's stream is from the first's after each layer."
