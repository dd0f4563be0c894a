"""A cell of the map that was clicked: its dims, the dim over the layers, its layer's spread, writers, carriers."""

import pandas as pd
import streamlit as st

from dashboards import charts, notebook, state, widgets
from dashboards.state import View
from inspector.figures import carried_by, dim_over_layers, size_spread, top_dims, writing


def cell(view: View, text: int, layer: int, position: int) -> None:
    """What is known of one token after one layer."""
    kept = view.frame("massive.kept")
    here = kept[(kept["text"] == text) & (kept["layer"] == layer) & (kept["position"] == position)]
    if not len(here):
        widgets.note(
            "This cell's dims were not kept: of each text and layer the sixteen largest entries are. Choose a brighter "
            "cell."
        )
        return
    strongest = int(here.loc[here["value"].abs().idxmax(), "dim"])
    dim = state.number("dim", set(here["dim"])) or strongest
    left, right = st.columns(2)
    with left:
        charts.chart(
            "cell-dims",
            top_dims(kept, text, layer, position),
            here,
            notebook.drawn(view, "top_dims", notebook.table("massive.kept"), str(text), str(layer), str(position)),
            "The largest numbers of this token's stream. Click a bar to follow that dim.",
            ("residual stream", "massive activation"),
            pick={"dim": here.sort_values("value", key=abs, ascending=False)["dim"].head(8).tolist()},
        )
    with right:
        over = kept[(kept["text"] == text) & (kept["position"] == position) & (kept["dim"] == dim)]
        charts.chart(
            "dim-over-layers",
            dim_over_layers(kept, text, position, dim),
            over,
            notebook.drawn(view, "dim_over_layers", notebook.table("massive.kept"), str(text), str(position), str(dim)),
            "Where this dim is written, carried and taken back, on this text. A gap: it was not among the largest.",
            ("life cycle",),
        )
    link_to_test(layer, position, dim)
    value = float(here.loc[here["dim"] == dim, "value"].abs().max())
    _around(view, layer, dim, value)


def link_to_test(layer: int, position: int | None, dim: int) -> None:
    """The way from a spike to zeroing it."""
    where = "" if position is None else f" at token {position}"
    widgets.link(
        "interventions",
        f"Test it: zero dim {dim}{where} after layer {layer}, beside a random twin →",
        kind="resid_post",
        layer=layer,
        unit=dim,
        at=position,
        op="zero",
    )


def _around(view: View, layer: int, dim: int, value: float) -> None:
    left, right = st.columns(2)
    with left:
        step = _step_up(view.frame("massive.plateaus"), dim, layer)
        if step is not None and view.has("massive.writers"):
            writers = view.frame("massive.writers")
            charts.chart(
                "writers",
                writing(writers, dim, step),
                writers[(writers["dim"] == dim) & (writers["layer"] == step)],
                notebook.drawn(view, "writing", notebook.table("massive.writers"), str(dim), str(step)),
                "Who wrote it: direct contributions in the block where it steps up, not what made them fire.",
                ("writer",),
            )
        else:
            widgets.note(f"Dim {dim} is no plateau that covers layer {layer}, so nobody is named as its writer.")
    with right:
        sizes = view.frame("massive.sizes")
        charts.chart(
            "size-spread",
            size_spread(sizes, layer, value),
            sizes[sizes["layer"] == layer],
            notebook.drawn(view, "size_spread", notebook.table("massive.sizes"), str(layer), repr(value)),
            "All entries of this layer by size. A massive one stands alone, far to the right.",
            ("massive activation",),
        )
    carriers = view.frame("massive.carriers")
    mine = carriers[(carriers["layer"] == layer) & (carriers["dim"] == dim)]
    if len(mine):
        charts.chart(
            "carriers",
            carried_by(carriers, layer, dim),
            mine,
            notebook.drawn(view, "carried_by", notebook.table("massive.carriers"), str(layer), str(dim)),
            "Which tokens carry it, and where. If the position is always 0 and the token varies, the place matters and "
            "not the word.",
            ("massive activation",),
        )


def _step_up(plateaus: pd.DataFrame, dim: int, layer: int) -> int | None:
    """The block that wrote the plateau of this dim that covers this layer."""
    mine = plateaus[(plateaus["dim"] == dim) & (plateaus["first"] <= layer) & (plateaus["last"] >= layer)]
    return int(mine.iloc[0]["first"]) if len(mine) else None
