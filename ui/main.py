"""What Streamlit runs for every view: the app, and nothing beside it."""

from ui.app import run

run()
