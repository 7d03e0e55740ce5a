"""What the doctor finds beside the store's own tables: the files named, and whoever works."""

import datetime as dt
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from evaluators.health import look_at_all
from evaluators.project_plan import Plans
from evaluators.registry import find_evaluators
from waypost.doctor import named_files, worker_lives
from waypost.running import told
from waypost.settings import Settings

NOW = dt.datetime(2026, 11, 20, 14, 0, tzinfo=dt.UTC)


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    config, users = tmp_path / "waypost.toml", tmp_path / "users"
    config.write_text("[evaluator.loop]")
    users.write_text("ann everything")
    found = list(named_files(Settings(config=config, users=users, tls_cert=tmp_path / "none.pem")))
    assert [(f.check, f.fine) for f in found] == [
        ("waypost.toml", False), ("users", False), ("tls", False),
    ]  # fmt: skip
    assert "no table evaluator" in found[0].said
    config.write_text("[evaluators.loop]\nowner = 'ops'")
    assert [f.fine for f in named_files(Settings(config=config))] == [True]
    config.write_text("[[gates]]\ndataset = 'refunds'\nmax_rate = 0.1")
    assert "'max_rate' is unknown" in next(named_files(Settings(config=config))).said
    assert list(named_files(Settings())) == []


def test_a_channels_secret_is_looked_for_where_the_file_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WAYPOST_CONFIG", raising=False)
    config = tmp_path / "waypost.toml"
    config.write_text("[alerts.channels.team]\nkind = 'slack'\nurl_env = 'NO_SUCH_WEBHOOK'")
    settings = Settings(data=tmp_path, config=config)
    assert "no NO_SUCH_WEBHOOK" in next(named_files(settings)).said
    with told(settings):
        assert next(named_files(settings)).fine
        monkeypatch.setenv("WAYPOST_CONFIG", str(config))
        assert not next(named_files(settings)).fine


def test_whether_a_worker_lives_is_seen_by_its_looks(engine: Engine) -> None:
    look_at_all(engine, Plans(find_evaluators(), {}), now=NOW)
    with engine.connect() as connection:
        assert worker_lives(connection, NOW + dt.timedelta(minutes=2)).fine
        silent = worker_lives(connection, NOW + dt.timedelta(minutes=20))
    assert not silent.fine
    assert silent.said == "none was at work in the last 5 minutes"
