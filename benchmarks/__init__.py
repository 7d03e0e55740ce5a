"""Commands that print a number each; run one with `python -m benchmarks.<name>`."""
