"""The command line: one function per verb, one sentence per error."""

import os
import sys
import traceback
from pathlib import Path

import click

from waypost import __version__
from waypost.cli import (
    alerts,
    datasets,
    evaluators,
    forgetting,
    gates,
    imports,
    judging,
    projects,
    replays,
    up,
    upkeep,
)
from waypost.errors import WaypostError, WrongUse
from waypost.store.engine import plainly


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="waypost")
def waypost() -> None:
    """Which cohort of your agent is failing, since when, why, and which step went wrong first.

    Begin with `waypost up --demo`; `waypost VERB --help` says what a verb does.
    """


for _verb in (
    up.up, up.collect, up.work, up.ui, up.demo,
    judging.evaluate, judging.reread, evaluators.evaluators,
    upkeep.migrate_verb, upkeep.doctor, upkeep.retain, forgetting.forget,
    projects.project, projects.key, alerts.alerts, datasets.dataset, datasets.export,
    gates.gate, imports.import_verb, replays.replay,
):  # fmt: skip
    waypost.add_command(_verb)


def main() -> None:
    """Run one verb; never a traceback, and exit codes 0, 1 (the answer is no) and 2 (wrong use)."""
    chosen: dict[str, Path] = {}
    try:
        with plainly():
            code = waypost.main(standalone_mode=False, prog_name="waypost", obj=chosen)
    except click.exceptions.Abort:
        code = 130
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = 2
    except click.ClickException as error:
        _complain(_with_help(error))
        code = 2
    except WaypostError as error:
        _complain(str(error))
        code = 2 if isinstance(error, WrongUse) else 1
    except BrokenPipeError:
        sys.stderr.close()
        code = 1
    except Exception as error:  # noqa: BLE001 - the last door: a sentence, and the rest in a file
        _complain(_unexpected(error, chosen.get("data")))
        code = 1
    sys.exit(code or 0)


def _with_help(error: click.ClickException) -> str:
    """What is wrong with the words of a command, and where it stands what they may be."""
    said = error.format_message().strip()
    said = said if said.endswith((".", "?", "!")) else f"{said}."
    context = getattr(error, "ctx", None)
    return said if context is None else f"{said} See `{context.command_path} --help`."


def _complain(sentence: str) -> None:
    click.echo(f"waypost: {sentence}", err=True)


def _unexpected(error: Exception, data: Path | None) -> str:
    if os.environ.get("WAYPOST_DEBUG") == "1":
        traceback.print_exc()
    path = (data or Path(os.environ.get("WAYPOST_DATA", ".waypost"))) / "crash.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text(traceback.format_exc())
    except OSError:
        return f"Something unexpected went wrong: {type(error).__name__}. Set WAYPOST_DEBUG=1."
    return f"Something unexpected went wrong: {type(error).__name__}. The details are in {path}."
