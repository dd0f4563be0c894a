"""A cell of the map whose dims the run didn't keep: measured on demand, on the run's own model."""

from functools import partial

import pandas as pd
import streamlit as st

from dashboards import charts, notebook, progress, state, widgets, work
from dashboards.state import View
from inspector.detectors.massive.figures import dim_over_layers, top_dims

Cell = tuple[int, int, int]
"""Text, layer and position."""


def dims(view: View, text: int, position: int) -> pd.DataFrame | None:
    """The largest dims of a token after each layer, as `massive.kept` has them; None until they are measured."""
    widgets.note("This cell's dims were not kept: of each text and layer the sixteen largest entries are.")
    widgets.model_place(view)
    fed = state.tokens_of(view, text)
    wanted = (view.identity, view.place, text, position)
    measure = partial(
        work.token_dims, card=view.report.card, where=view.place, ids=fed["id"].tolist(), position=position
    )
    label = f"Measure the dims of token {position} ({len(fed):,} tokens; loads the model)"
    job = progress.on_demand("cell", wanted, measure, f"Measuring token {position}", label)
    if job is None:
        return None
    median = view.frame("massive.layers").set_index("layer")["median"]
    token = fed["token"].tolist()[position]
    ratio = job.result["value"].abs() / job.result["layer"].map(median.where(median > 0))
    return pd.DataFrame(job.result.assign(text=text, token=token, ratio=ratio))


def draw(view: View, measured: pd.DataFrame, cell: Cell, dim: int) -> None:
    """The cell's dims, and one of them over the layers."""
    text, layer, position = cell
    here = measured[measured["layer"] == layer]
    left, right = st.columns(2)
    with left:
        charts.chart(
            "cell-dims",
            top_dims(measured, text, layer, position),
            here,
            _code(view, cell, f"draw(dims, {text}, {layer}, {position})", "top_dims"),
            "The largest numbers of this token's stream, measured now. Click a bar to follow that dim.",
            ("residual stream", "massive activation"),
            pick={"dim": here["dim"].head(8).tolist()},
        )
    with right:
        charts.chart(
            "dim-over-layers",
            dim_over_layers(measured, text, position, dim),
            measured[measured["dim"] == dim],
            _code(view, cell, f"draw(dims, {text}, {position}, {dim})", "dim_over_layers"),
            "This dim over the layers, at this token. A gap: it was not among the token's sixteen largest there.",
            ("life cycle",),
        )


def _code(view: View, cell: Cell, drawn: str, figure: str) -> str:
    text, _, position = cell
    return notebook.code(
        view,
        f"from inspector.figures import {figure} as draw",
        "from inspector.analyses.token_dims import token_dims as measure",
        "",
        *notebook.fed(view, text),
        f'dims = measure(model, fed["id"].tolist(), {position})',
        'median = report.frame("massive.layers").set_index("layer")["median"]',
        'ratio = dims["value"].abs() / dims["layer"].map(median.where(median > 0))',
        f'dims = dims.assign(text={text}, token=fed["token"].tolist()[{position}], ratio=ratio)',
        drawn,
    )
