"""Runs in the agent's process: LangChain callbacks become spans, spans become OTLP."""
