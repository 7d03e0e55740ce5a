"""What AppTest runs: the whole app, with the screen that the session names in front."""

import streamlit as st

from ui.app import run

run(first=str(st.session_state.get("first", "cohorts")))
