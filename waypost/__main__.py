"""The first door of `waypost` and `python -m waypost`: says what to install where they are bare."""

import sys

_OWN = ("waypost", "tracer", "collector", "evaluators", "ui")


def main() -> None:
    """Run the command line; one sentence where the packages it needs are not installed."""
    try:
        from waypost.cli import main as run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in _OWN:
            raise
        sys.exit(
            f"waypost: {error.name} is not installed here; the commands come with "
            "`pip install '/path/to/waypost[server]'`, the folder of the checkout."
        )
    run()


if __name__ == "__main__":
    main()
