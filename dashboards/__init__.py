"""The Streamlit dashboard over saved runs."""
