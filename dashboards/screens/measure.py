"""Measure: what else can be done with a model, each with a form and a job."""

import streamlit as st

from dashboards import measuring, widgets
from dashboards.measures_of_models import MEASURES as OF_MODELS
from dashboards.measures_of_runs import MEASURES as OF_RUNS

MEASURES = {one.name: one for one in (*OF_RUNS, *OF_MODELS)}


def page() -> None:
    """Draw the page."""
    widgets.head("Measure", "What takes a model and some time. The result is kept as a run, or shown here.")
    now = st.query_params.get("measure")
    name = widgets.choice("measure", "What to measure", list(MEASURES), now, lambda one: MEASURES[one].title)
    measuring.draw(MEASURES[name])


page()
