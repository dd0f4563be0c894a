"""From DataFrames to plotly figures. A title says what is seen; axes carry units.

Magnitudes from 1 to 20,000 are shown as log10(max(|x|, 1)), with the true value on hover.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from inspector.decoding_figures import decoding_family
from inspector.errors import InputError
from inspector.looks import MASSIVE, NEURON, NEUTRAL, SINK, finish, token_label
from inspector.results import Record
from inspector.tables import frame, names, thresholds

SINK_SCALE = [[0.0, "#F1F3F5"], [0.3, "#A5D8FF"], [0.6, "#4DABF7"], [1.0, "#0B4A86"]]
LOG_TICKS = [1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000]
MAX_SIDE = 512
"""Maps with more positions are max-pooled, so that a column of one token survives."""


def magnitude_map(cells: pd.DataFrame, text: int | None = None) -> go.Figure:
    """Layer × token map of the largest |x| (frame `massive.map`), for one text.

    Raises:
        InputError: no such text in the frame.
    """
    chosen = int(cells["text"].min()) if text is None and len(cells) else text
    cells = cells[cells["text"] == chosen]
    if not len(cells):
        raise InputError(f"Text {chosen} is not in the map. Only the first texts of a scan are mapped.")
    positions = range(int(cells["position"].max()) + 1)  # a token without a finite value leaves a gap
    table = cells.pivot(index="layer", columns="position", values="max").reindex(columns=positions)
    grid = table.to_numpy(dtype=np.float32)
    tokens = cells.drop_duplicates("position").set_index("position")["token"].reindex(positions).tolist()
    factor = -(-grid.shape[1] // MAX_SIDE)
    pooled, where = _max_pool(grid, factor)
    peak = cells.loc[cells["max"].idxmax()]
    labels = [token_label(token) for token in tokens[::factor]]
    shown = np.array([token_label(token) for token in tokens], dtype=object)
    figure = go.Figure(
        go.Heatmap(
            z=np.log10(np.maximum(pooled, 1.0)).astype(np.float32),
            customdata=np.dstack([pooled.astype(object), where.astype(object), shown[where]]),
            colorscale="Cividis",
            colorbar={"title": "|x|", **_log_ticks(float(np.nanmax(pooled)))},
            hovertemplate="layer %{y}, position %{customdata[1]}<br>%{customdata[2]}<br>"
            "|x| = %{customdata[0]:,.1f}<extra></extra>",
            x=np.arange(pooled.shape[1]) * factor,
            y=np.sort(cells["layer"].unique()),
        )
    )
    pooled_note = f", max over {factor} tokens" if factor > 1 else ""
    few = np.arange(0, pooled.shape[1], max(1, pooled.shape[1] // 40))
    figure.update_xaxes(title=f"token{pooled_note}", tickvals=few * factor, ticktext=[labels[i] for i in few])
    figure.update_yaxes(title="layer")
    title = f"Text {chosen}: the largest |x| is {peak['max']:,.0f}, at token {int(peak['position'])}"
    return finish(figure, f"{title} ({token_label(peak['token'])}), layer {int(peak['layer'])}")


def life_cycle(layers: pd.DataFrame, plateaus: pd.DataFrame) -> go.Figure:
    """Largest and median |x| of each layer, with the plateaus marked (frames `massive.layers`, `.plateaus`)."""
    figure = go.Figure()
    for name, colour in (("max", MASSIVE), ("median", NEUTRAL)):
        figure.add_scatter(
            x=layers["layer"],
            y=layers[name],
            mode="lines+markers",
            line={"color": colour},
            showlegend=False,
            hovertemplate=f"layer %{{x}}: {name} |x| = %{{y:,.2f}}<extra></extra>",
        )
        at = layers.loc[layers[name].idxmax()] if layers[name].notna().any() else layers.iloc[-1]
        if not at[name] > 0:
            continue
        above = name == "max"
        figure.add_annotation(
            x=at["layer"],
            y=np.log10(at[name]),
            text="largest |x| of all texts" if above else "median |x|",
            showarrow=False,
            xanchor="left" if above and at["layer"] < layers["layer"].max() / 2 else "right",
            yshift=14 if above else -32,
            font={"color": colour},
        )
    main = plateaus[plateaus["main"]]
    for plateau in main.itertuples():
        figure.add_vrect(x0=plateau.first - 0.4, x1=plateau.last + 0.4, fillcolor=MASSIVE, opacity=0.08, line_width=0)
        figure.add_annotation(
            x=(plateau.first + plateau.last) / 2,
            y=1.02,
            yref="paper",
            yanchor="bottom",
            showarrow=False,
            text=f"dim {plateau.dim}",
            font={"color": MASSIVE, "size": 12},
        )
    figure.update_xaxes(title="layer", range=[-0.5, float(layers["layer"].max()) + 0.5])
    figure.update_yaxes(title="|x| (log)", type="log", dtick=1)
    return finish(figure, _life_cycle_title(layers, main))


def _life_cycle_title(layers: pd.DataFrame, main: pd.DataFrame) -> str:
    if not layers["ratio"].notna().any():
        return "Insufficient data: no layer had a finite activation"
    if not len(main):
        top = layers.loc[layers["ratio"].idxmax()]
        return f"No plateau: the largest entry is {top['ratio']:,.0f} medians, at layer {int(top['layer'])}"
    first = main.iloc[0]
    where = "" if pd.isna(first["position"]) else f" at token {int(first['position'])}"
    return (
        f"Dim {int(first['dim'])} carries {abs(first['value']):,.0f} (mean over texts){where} "
        f"from layer {int(first['first'])} to {int(first['last'])}"
    )


def sink_map(heads: pd.DataFrame, epsilon: float = 0.3) -> go.Figure:
    """Layer × head map of the attention that each head's strongest key receives (frame `sinks.heads`)."""
    grid = heads.pivot(index="layer", columns="head", values="received")
    keys = heads["key"].astype(object).where(heads["key"].notna(), "moves")
    where = heads.assign(key=keys).pivot(index="layer", columns="head", values="key")
    figure = go.Figure(
        go.Heatmap(
            z=grid.to_numpy(dtype=np.float32),
            x=grid.columns,
            y=grid.index,
            customdata=where.to_numpy(),
            zmin=0,
            zmax=1,
            colorscale=SINK_SCALE,
            colorbar={"title": "received"},
            hovertemplate="layer %{y}, head %{x}<br>key %{customdata} receives %{z:.1%}<extra></extra>",
            xgap=1,
            ygap=1,
        )
    )
    figure.update_xaxes(title="head", dtick=1 if len(grid.columns) <= 16 else 4)
    figure.update_yaxes(title="layer")
    count = int((heads["received"] > epsilon).sum())
    title = f"{count} of {len(heads)} heads park more than {epsilon:.0%} of their attention on one key"
    return finish(figure, title)


def received_by_position(keys: pd.DataFrame, epsilon: float = 0.3) -> go.Figure:
    """Received attention and sink rate of every key position (frame `sinks.keys`)."""
    figure = go.Figure()
    figure.add_bar(
        x=keys["key"],
        y=keys["received"],
        marker_color=SINK,
        name="received attention",
        hovertemplate="key %{x} receives %{y:.1%}<extra></extra>",
    )
    figure.add_scatter(
        x=keys["key"],
        y=keys["sink_rate"],
        mode="markers",
        name=f"sink rate (ε = {epsilon:g})",
        marker={"color": NEUTRAL, "symbol": "line-ew-open", "size": 8, "line": {"width": 2}},
        hovertemplate="key %{x}: sink rate %{y:.1%}<extra></extra>",
    )
    figure.update_xaxes(title="key position")
    figure.update_yaxes(title="share", range=[0, 1], tickformat=".0%")
    figure.update_layout(legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1, "yanchor": "top"})
    if not keys["received"].notna().any():
        return finish(figure, "Insufficient data: no text is long enough")
    top = keys.loc[keys["received"].idxmax()]
    return finish(
        figure,
        f"Key {int(top['key'])} receives {top['received']:.0%} of all attention (mean over texts, layers, heads)",
    )


def predictors(scores: pd.DataFrame) -> go.Figure:
    """AUROC of every predictor with its interval (frame `hneurons.scores`), the best on top."""
    ordered = scores.sort_values("auroc", ignore_index=True)
    figure = go.Figure()
    for mine, colour in ((True, NEURON), (False, NEUTRAL)):
        rows = ordered[ordered["name"].isin(("probe", "probe 3-vs-1", "combined")) == mine]
        figure.add_scatter(
            x=rows["auroc"],
            y=rows["name"],
            mode="markers",
            marker={"color": colour, "size": 10, "symbol": "circle" if mine else "square"},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": rows["high"] - rows["auroc"],
                "arrayminus": rows["auroc"] - rows["low"],
            },
            showlegend=False,
            hovertemplate="%{y}: AUROC %{x:.3f}<extra></extra>",
        )
    figure.add_vline(x=0.5, line_dash="dot", line_color=NEUTRAL)
    figure.update_xaxes(title="AUROC on answers not fitted on (line: chance)")
    figure.update_yaxes(categoryorder="array", categoryarray=ordered["name"].tolist())
    by_name = scores.set_index("name")["auroc"]
    rival = by_name.drop(["probe", "probe 3-vs-1", "combined"], errors="ignore").idxmax()
    return finish(
        figure,
        f"The probe tells made-up answers from right ones with AUROC {by_name['probe']:.2f}; "
        f"the best without neurons, {rival}, {by_name[rival]:.2f}",
    )


def roc_curves(roc: pd.DataFrame) -> go.Figure:
    """ROC curves of probe, entropy, length and both together (frame `hneurons.roc`)."""
    figure = go.Figure()
    looks = {
        "combined": (NEURON, "dot"),
        "probe": (NEURON, "solid"),
        "entropy": (NEUTRAL, "solid"),
        "length": (NEUTRAL, "dot"),
    }
    for name, (colour, dash) in looks.items():
        curve = roc[roc["name"] == name]
        figure.add_scatter(
            x=curve["false_alarms"],
            y=curve["caught"],
            mode="lines",
            name=name,
            line={"color": colour, "dash": dash},
            hovertemplate=f"{name}: %{{y:.0%}} caught at %{{x:.0%}} false alarms<extra></extra>",
        )
    figure.update_xaxes(title="right answers called made up", tickformat=".0%", range=[0, 1])
    figure.update_yaxes(title="made-up answers caught", tickformat=".0%", range=[0, 1.02])
    figure.update_layout(legend={"x": 0.98, "xanchor": "right", "y": 0.05, "yanchor": "bottom"})
    probe = roc[roc["name"] == "probe"]
    at = probe[probe["false_alarms"] <= 0.1]["caught"].max()
    return finish(figure, f"At 10 % false alarms the probe catches {at:.0%} of made-up answers")


def neurons(candidates: pd.DataFrame) -> go.Figure:
    """The final probe's neurons: weight and AUROC alone (frame `hneurons.candidates`)."""
    figure = go.Figure()
    is_candidate = candidates["verdict"] == "candidate"
    for mine, name in ((True, "candidate"), (False, "in the probe, no candidate")):
        rows = candidates[is_candidate == mine]
        figure.add_scatter(
            x=rows["weight"],
            y=rows["auroc"],
            mode="markers",
            name=name,
            marker={
                "color": NEURON if mine else NEUTRAL,
                "symbol": "circle" if mine else "circle-open",
                "size": 6 + 10 * rows["stability"],
            },
            customdata=rows[["layer", "neuron", "stability", "q"]].to_numpy(),
            hovertemplate="neuron %{customdata[1]} of layer %{customdata[0]}<br>weight %{x:+.3f}, alone %{y:.3f}<br>"
            "stability %{customdata[2]:.0%}, q %{customdata[3]:.2g}<extra></extra>",
        )
    figure.add_hline(y=0.5, line_dash="dot", line_color=NEUTRAL)
    figure.update_xaxes(title="weight in the probe (right: raises the risk)")
    figure.update_yaxes(title="AUROC alone, on held-out answers")
    figure.update_layout(legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1, "yanchor": "bottom"})
    return finish(figure, f"{int(is_candidate.sum())} of the probe's {len(candidates)} neurons are candidates")


FIGURES: dict[str, tuple[tuple[str, ...], Callable[[Record], go.Figure]]] = {
    "massive.life_cycle": (
        ("massive.layers", "massive.plateaus"),
        lambda r: life_cycle(frame(r, "massive.layers"), frame(r, "massive.plateaus")),
    ),
    "massive.map": (("massive.map",), lambda r: magnitude_map(frame(r, "massive.map"))),
    "sinks.map": (("sinks.heads",), lambda r: sink_map(frame(r, "sinks.heads"), thresholds(r, "sinks").epsilon)),
    "sinks.received": (
        ("sinks.keys",),
        lambda r: received_by_position(frame(r, "sinks.keys"), thresholds(r, "sinks").epsilon),
    ),
    "hneurons.predictors": (("hneurons.scores",), lambda r: predictors(frame(r, "hneurons.scores"))),
    "hneurons.roc": (("hneurons.roc",), lambda r: roc_curves(frame(r, "hneurons.roc"))),
    "hneurons.neurons": (("hneurons.candidates",), lambda r: neurons(frame(r, "hneurons.candidates"))),
    "decoding": (("decoding",), lambda r: decoding_family(frame(r, "decoding"))),
}
"""Figures of a record by name: the frames each needs, and how it is made."""


def figures(record: Record) -> dict[str, go.Figure]:
    """Every figure whose frames this record has and fills."""
    known = set(names(record))
    return {
        name: make(record)
        for name, (needs, make) in FIGURES.items()
        if known.issuperset(needs) and len(frame(record, needs[0]))
    }


def _max_pool(grid: np.ndarray, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """Max over groups of `factor` columns, NaN left out, and the column each maximum is in."""
    lack = -grid.shape[1] % factor
    groups = np.pad(grid, ((0, 0), (0, lack)), constant_values=np.nan).reshape(grid.shape[0], -1, factor)
    inside = np.where(np.isnan(groups), -np.inf, groups).argmax(axis=2)
    columns = np.arange(groups.shape[1]) * factor + inside
    return np.fmax.reduce(groups, axis=2), columns


def _log_ticks(largest: float) -> dict[str, list[object]]:
    shown = [tick for tick in LOG_TICKS if tick <= max(largest, 3)]
    return {"tickvals": [float(np.log10(t)) for t in shown], "ticktext": [f"{t:,}" for t in shown]}
