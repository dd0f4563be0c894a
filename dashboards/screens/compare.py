"""Compare: two runs with the same colour limits, their differences, and models of other shapes by depth."""

import pandas as pd
import streamlit as st

from dashboards import charts, notebook, state, widgets
from dashboards.differences import headlines
from dashboards.state import View
from inspector.errors import RunError
from inspector.figures import (
    MASSIVE,
    SINK,
    colour_limits,
    head_difference,
    heads_by_depth,
    magnitude_map,
    two_over_depth,
    two_predictors,
)


def code(first: View, second: View, function: str, *arguments: str) -> str:
    """A notebook cell with both runs."""
    opened = [line for name, view in (("first", first), ("second", second)) for line in notebook.opened(view, name)]
    lines = ["import inspector", f"from inspector.figures import {function}", "", *opened, ""]
    return "\n".join([*lines, f"{function}({', '.join(arguments)})"])


def both(table: str) -> tuple[str, str]:
    """How a table of both runs is asked for."""
    return notebook.table(table, "first"), notebook.table(table, "second")


def layers(first: View, second: View) -> None:
    """What runs over the layers, in one picture."""
    names = (first.name, second.name)
    for table, column, accent, said, axis, means in (
        ("massive.layers", "max", "MASSIVE", MASSIVE, "largest |x|", "Where the spikes are written and taken back."),
        (
            "sinks.layers",
            "sink_rate",
            "SINK",
            SINK,
            "sink rate at key 0",
            "Where heads begin to rest on the first token.",
        ),
    ):
        if first.has(table) and second.has(table):
            one, two = first.frame(table), second.frame(table)
            charts.chart(
                f"compare-{column}",
                two_over_depth(one, two, column, names, said, axis),
                pd.concat([one.assign(run=names[0]), two.assign(run=names[1])]),
                code(first, second, "two_over_depth", *both(table), repr(column), repr(names), repr(said), repr(axis)),
                means,
                ("massive activation",) if accent == "MASSIVE" else ("sink rate",),
            )


def heads(first: View, second: View) -> None:
    """The heads of both: their difference where shapes are equal, else side by side by depth."""
    if not (first.has("sinks.heads") and second.has("sinks.heads")):
        return
    one, two = first.frame("sinks.heads"), second.frame("sinks.heads")
    same = one[["layer", "head"]].equals(two[["layer", "head"]])
    names = (first.name, second.name)
    figure = head_difference(one, two) if same else heads_by_depth(one, two, names)
    more = () if same else (repr(names),)
    charts.chart(
        "compare-heads",
        figure,
        pd.concat([one.assign(run=names[0]), two.assign(run=names[1])]),
        code(first, second, "head_difference" if same else "heads_by_depth", *both("sinks.heads"), *more),
        "Orange: more attention on the strongest key in the first run; violet: in the second."
        if same
        else "The models differ in shape, so layers are aligned by relative depth.",
        ("received attention",),
    )


def maps(first: View, second: View) -> None:
    """The maps of both runs' first texts, with the same colour limits."""
    if not (first.has("massive.map") and second.has("massive.map")):
        return
    tables = [view.frame("massive.map") for view in (first, second)]
    tables = [table[table["text"] == table["text"].min()] for table in tables]
    limits = colour_limits(*tables)
    for column, table, view, name in zip(st.columns(2), tables, (first, second), ("first", "second"), strict=True):
        with column:
            source = notebook.table("massive.map", name)
            charts.chart(
                f"map-{name}",
                magnitude_map(table, limits=limits),
                table,
                code(first, second, "magnitude_map", source, f"limits={limits!r}"),
                f"{view.name}; same colours.",
            )


def studies(first: View, second: View) -> None:
    """The predictors of two studies."""
    if not (first.has("hneurons.scores") and second.has("hneurons.scores")):
        return
    one, two = first.frame("hneurons.scores"), second.frame("hneurons.scores")
    names = (first.name, second.name)
    charts.chart(
        "compare-predictors",
        two_predictors(one, two, names),
        pd.concat([one.assign(run=names[0]), two.assign(run=names[1])]),
        code(first, second, "two_predictors", *both("hneurons.scores"), repr(names)),
        "Each interval is of one run alone: where two overlap much, no difference is seen.",
        ("AUROC",),
    )


def other(view: View) -> View | None:
    """The run to compare with: the one that is pinned, else the latest other one with the same detectors."""
    mine = set(view.measured.settings["detectors"])
    others = [run for run in state.shelf().all() if run.name != view.name and not run.fault]
    if not others:
        widgets.note("There is only one run here. Make another, then compare.")
        return None
    names, pinned = [run.name for run in others], st.query_params.get("pin")
    alike = [run.name for run in others if set(run.about["settings"]["detectors"]) == mine]
    name = next(iter(alike), names[0]) if pinned is None else pinned
    st.session_state["choice pin"] = name if name in names else None
    st.selectbox(
        "Compare with",
        names,
        key="choice pin",
        placeholder="Choose a run",
        on_change=lambda: state.choose(pin=st.session_state["choice pin"]),
    )
    if name not in names:
        widgets.trouble(f"The run that was pinned, '{name[:64]}', is not here or is damaged. Choose another.")
        return None
    try:
        return state.view(name)
    except RunError as error:
        widgets.trouble(str(error))
        return None


def page() -> None:
    """Draw the page."""
    widgets.head("Compare", "Two runs side by side: other texts, another model, or before and after a change.")
    view = widgets.open_view()
    if view is None:
        return
    second = other(view)
    if second is None:
        return
    with st.container(border=True):
        st.html("<h2 class=figure>Numbers that both have</h2>")
        table = headlines(view, second)
        if not len(table):
            widgets.note("These runs measured different things, so there is nothing to set side by side.")
            return
        widgets.plain_table(table.rename(columns={"first": view.name, "second": second.name}))
    layers(view, second)
    heads(view, second)
    maps(view, second)
    studies(view, second)


page()
