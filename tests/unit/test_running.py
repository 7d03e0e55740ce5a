"""A verb in another shell follows the `up` that runs on its data folder, unless told otherwise."""

from collections.abc import Callable
from pathlib import Path

import pytest

from waypost.cli.options import settings_of
from waypost.errors import BadSetting
from waypost.running import told
from waypost.settings import Settings

Read = Callable[[Settings], tuple[object, ...]]


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """What an `up` was started with, by paths of the folder it was started in."""
    for name in ("CONFIG", "OTLP_HTTP", "OTLP_GRPC", "UI", "DATABASE_URL", "DATA"):
        monkeypatch.delenv(f"WAYPOST_{name}", raising=False)
    monkeypatch.chdir(tmp_path)
    return Settings(
        data=tmp_path, config=Path("my.toml"), otlp_http=14318, ui=18501, judge_key="s3cret"
    )


def test_what_up_was_started_with_is_followed_while_it_runs(running: Settings) -> None:
    read: Read = lambda s: (s.config, s.otlp_http, s.otlp_grpc, s.ui, s.judge_key)  # noqa: E731
    with told(running):
        there = settings_of(running.data, None)
        held = (running.data / "up.json").read_text()
    assert read(there) == (running.data / "my.toml", 14318, 4317, 18501, None)
    assert "s3cret" not in held
    assert read(settings_of(running.data, None)) == read(Settings())
    assert not (running.data / "up.json").exists()


def test_an_option_and_the_environment_win_over_what_runs(
    running: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAYPOST_OTLP_HTTP", "4444")
    monkeypatch.setenv("WAYPOST_CONFIG", "")
    with told(running):
        found = settings_of(running.data, None, ui=8888)
        monkeypatch.setenv("WAYPOST_UI_FILE", "none")
        with pytest.raises(BadSetting, match="WAYPOST_UI_FILE=none cannot be read"):
            settings_of(running.data, None)
    assert (found.config, found.otlp_http, found.ui) == (None, 4444, 8888)


def test_a_database_of_ones_own_is_not_what_runs_in_the_folder(running: Settings) -> None:
    with told(running):
        assert settings_of(running.data, "postgresql://db/waypost").ui == Settings().ui


@pytest.mark.parametrize("left", ["", "{", '{"WAYPOST_UI": "18501"}'])
def test_a_file_that_a_killed_up_left_is_not_followed(running: Settings, left: str) -> None:
    (running.data / "up.json").write_text(left)
    assert settings_of(running.data, None).ui == Settings().ui
    with told(running):
        assert settings_of(running.data, None).ui == 18501
