"""The dashboard: streamlit run dashboards/app.py -- FOLDER_OF_RUNS (`inspector dashboard` sets it up safely)."""

import numpy  # noqa: F401 (numpy, pandas, plotly are imported before Streamlit's threads race for them)
import pandas  # noqa: F401
import plotly.graph_objects  # noqa: F401
import streamlit as st

from dashboards.frame import show

st.set_page_config(page_title="inspector", layout="wide", initial_sidebar_state="auto", menu_items={})
show()
