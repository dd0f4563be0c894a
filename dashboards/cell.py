"""A clicked cell of the map: its dims, the dim over the layers, the layer's spread, direct contributors, tokens."""

import pandas as pd
import streamlit as st

from dashboards import charts, measured_cell, remarks, state, widgets
from dashboards.state import View
from inspector.detectors.massive.figures import carried_by, dim_over_layers, size_spread, top_dims, writing
from inspector.figures.drawing import Drawing


def cell(view: View, text: int, layer: int, position: int) -> None:
    """What is known of one token after one layer."""
    kept = view.frame("massive.kept")
    here = _here(kept, text, layer, position)
    if len(here):
        _kept(view, here, text, layer, position)
        return
    measured = measured_cell.dims(view, text, position)
    if measured is not None and len(here := _here(measured, text, layer, position)):
        dim = _chosen(here)
        measured_cell.draw(view, measured, (text, layer, position), dim)
        _more(view, here, layer, position, dim)


def _here(entries: pd.DataFrame, text: int, layer: int, position: int) -> pd.DataFrame:
    return entries[(entries["text"] == text) & (entries["layer"] == layer) & (entries["position"] == position)]


def _chosen(here: pd.DataFrame) -> int:
    """The dim that the address names, if it is among these; else the largest."""
    return state.number("dim", set(here["dim"])) or int(here.loc[here["value"].abs().idxmax(), "dim"])


def _kept(view: View, here: pd.DataFrame, text: int, layer: int, position: int) -> None:
    """A cell whose dims are in the run."""
    dim = _chosen(here)
    left, right = st.columns(2)
    with left:
        dims = Drawing(
            top_dims,
            ("massive.kept",),
            {"text": text, "layer": layer, "position": position},
            "The largest numbers of this token's stream.",
            ("residual stream", "massive activation"),
            f"text == {text} and layer == {layer} and position == {position}",
        )
        largest = here.sort_values("value", key=abs, ascending=False)["dim"].head(8).tolist()
        charts.draw(view, "cell-dims", dims, hint="Click a bar to follow that dim.", pick={"dim": largest})
    with right:
        over = Drawing(
            dim_over_layers,
            ("massive.kept",),
            {"text": text, "position": position, "dim": dim},
            "Where this dim steps up, stays large and is cancelled, on this text. A gap: it was not among the largest.",
            ("life cycle",),
            f"text == {text} and position == {position} and dim == {dim}",
        )
        charts.draw(view, "dim-over-layers", over)
    _more(view, here, layer, position, dim)


def _more(view: View, here: pd.DataFrame, layer: int, position: int, dim: int) -> None:
    """What follows from a cell's dim: a test, a note, its layer's spread, direct contributors, tokens."""
    link_to_test(layer, position, dim)
    remarks.field(view, f"dim {dim} of layer {layer}", f"dim {dim} of layer {layer}")
    value = float(here.loc[here["dim"] == dim, "value"].abs().max())
    _around(view, layer, dim, value)


def link_to_test(layer: int, position: int | None, dim: int) -> None:
    """The way from a spike to zeroing it."""
    where = "" if position is None else f" at token {position}"
    widgets.link(
        "interventions",
        f"Test it: zero dim {dim}{where} after layer {layer}, beside a matched random control →",
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
            means = "Direct contributions in the block where it steps up, not what made them fire."
            where = f"dim == {dim} and layer == {step}"
            arguments = {"dim": dim, "layer": step}
            charts.draw(
                view,
                "writers",
                Drawing(writing, ("massive.writers",), arguments, means, ("direct contributor",), where),
            )
        else:
            widgets.note(f"Dim {dim} is no plateau that covers layer {layer}, so no direct contributor is named.")
    with right:
        means = "All entries of this layer by size. A massive one stands alone, far to the right."
        spread = {"layer": layer, "size": value}
        drawing = Drawing(size_spread, ("massive.sizes",), spread, means, ("massive activation",), f"layer == {layer}")
        charts.draw(view, "size-spread", drawing)
    carriers = view.frame("massive.carriers")
    if len(carriers[(carriers["layer"] == layer) & (carriers["dim"] == dim)]):
        drawing = Drawing(
            carried_by,
            ("massive.carriers",),
            {"layer": layer, "dim": dim},
            "At which tokens it occurs, and where. If the position is always 0 and the token varies, the place matters "
            "and not the word.",
            ("massive activation",),
            f"layer == {layer} and dim == {dim}",
        )
        charts.draw(view, "carriers", drawing)


def _step_up(plateaus: pd.DataFrame, dim: int, layer: int) -> int | None:
    """The block that wrote the plateau of this dim that covers this layer."""
    mine = plateaus[(plateaus["dim"] == dim) & (plateaus["first"] <= layer) & (plateaus["last"] >= layer)]
    return int(mine.iloc[0]["first"]) if len(mine) else None
