"""What a tracer costs the agent it watches: CPU a step and bytes on the wire, side by side."""
