"""Every verb explains itself, and the page of all verbs is current."""

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tests.shared import ROOT
from waypost.__main__ import main
from waypost.cli import datasets, options, reference, replays, waypost
from waypost.cli.candidates import Outcome, Way


def verbs(group: click.Group = waypost, path: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, verb in group.commands.items():
        yield f"{path} {name}".strip(), verb
        if isinstance(verb, click.Group):
            yield from verbs(verb, f"{path} {name}".strip())


@pytest.mark.parametrize(("path", "verb"), list(verbs()), ids=[p for p, _ in verbs()])
def test_a_verb_says_what_it_does_in_one_line_and_what_each_option_is(
    path: str, verb: click.Command
) -> None:
    assert "..." not in verb.get_short_help_str(limit=60), path
    unsaid = [p.name for p in verb.params if isinstance(p, click.Option) and not p.help]
    assert unsaid == []


def test_the_page_of_all_verbs_is_current() -> None:
    told = "run python -m waypost.cli.reference > docs/reference/cli.md"
    assert (ROOT / "docs" / "reference" / "cli.md").read_text() == reference.page(), told


def test_without_the_servers_packages_the_console_script_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["waypost"]
    assert script == f"{main.__module__}:{main.__name__}"
    monkeypatch.delitem(sys.modules, "waypost.cli")
    monkeypatch.setitem(sys.modules, "click", None)
    with pytest.raises(SystemExit, match=r"^waypost: click is not installed.*waypost\[server\]"):
        main()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("gate", "refunds"), "waypost: Missing option '--trial'. See `waypost gate --help`.\n"),
        (("nothing",), "waypost: No such command 'nothing'. See `waypost --help`.\n"),
        (("alerts",), "Usage: waypost alerts"),
    ],
)
def test_wrong_words_lead_to_the_help(
    words: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["waypost", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(said)


@pytest.mark.parametrize(
    "words",
    [
        ("project", "list"), ("dataset", "export", "x"), ("export",), ("evaluate", "--yes"),
        ("retain", "--days", "3"), ("key", "create"), ("evaluators", "set", "loop", "sampling=1"),
        ("alerts", "list"), ("gate", "x", "--trial", "y"), ("reread",), ("demo", "--once"),
        ("forget", "--user", "ann", "--yes"), ("collect", "--otlp-grpc", "4399"), ("work",),
        ("ui", "--ui", "4398"), ("replay", "x", "--agent", "a:b"), ("import", "cases.jsonl"),
    ],
)  # fmt: skip
def test_a_misspelt_folder_is_said_and_not_made(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "cases.jsonl").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr("logging.basicConfig", lambda **_: None)
    monkeypatch.setattr("evaluators.run.spare_garbage", lambda: None)
    monkeypatch.setattr(sys, "argv", ["waypost", *words, "--data", "misspelt"])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert f"There is no Waypost in {tmp_path / 'misspelt'}; `waypost up` makes one there" in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "misspelt").exists()


def test_the_command_for_the_gate_can_be_pasted() -> None:
    asking = datasets.asking_the_gate
    assert asking("refunds", "v16", "default") == "waypost gate refunds --trial v16"
    assert asking("my runs", "v16", "claims") == (
        "waypost gate 'my runs' --trial v16 --project claims"
    )


def test_one_run_is_not_many() -> None:
    assert datasets.told_new(1, 1, "refunds") == "1 of 1 run was new to dataset refunds"


def test_a_candidates_folder_does_not_shadow_the_tracer(tmp_path: Path) -> None:
    (tmp_path / "tracer.py").write_text("")
    (tmp_path / "collector").mkdir()
    (tmp_path / "collector" / "__init__.py").write_text("mine = True")
    (tmp_path / "bot.py").write_text("import collector\n\ndef agent(text): return collector.mine")
    told = (
        "from waypost.cli import candidates; agent = candidates.load('bot:agent');"
        "import tracer; print(agent(''), tracer.replay, tracer.instrument, tracer.flush)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", told], cwd=tmp_path, capture_output=True, text=True,
        env={"PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("True <function replay")


def test_on_a_terminal_json_holds_nothing_that_moves_or_hides_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = {"answer": "a\x7f\x9b2J\u202e\u2066\u200b\u2028\U000e0041 ä"}
    options.print_json(hostile)
    assert "\u202e" in capsys.readouterr().out
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    options.print_json(hostile)
    out = capsys.readouterr().out
    assert r"a\u007f\u009b2J\u202e\u2066\u200b\u2028\udb40\udc41 ä" in out
    assert json.loads(out) == hostile


def test_tools_that_ran_their_own_code_are_said_and_are_no_difference(
    capsys: pytest.CaptureFixture[str],
) -> None:
    done = [Outcome("4bf9", "a title", counts={"answered": 3, "own_code": 2})]
    assert replays._tell(done, Way(models="recorded"), trial=None, as_json=False) == 0
    assert "Tools ran their own code 2 times" in capsys.readouterr().out
    assert replays._line(done[0]).endswith("3 answered, 2 ran their own code")


def test_a_crash_is_written_down_in_the_data_folder_that_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("waypost.doctor.examine", lambda _: 1 / 0)
    monkeypatch.setattr(sys, "argv", ["waypost", "doctor", "--data", "chosen"])
    with pytest.raises(SystemExit):
        main()
    assert "ZeroDivisionError" in (tmp_path / "chosen" / "crash.log").read_text()
    assert not (tmp_path / ".waypost").exists()
