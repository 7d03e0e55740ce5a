"""The tracer, room by room."""
