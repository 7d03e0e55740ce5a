"""The demo: a real LangChain agent with a scripted model, and two days of its traffic."""
