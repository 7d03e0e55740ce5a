"""Settings are read once, and a value that does not fit names its variable."""

from pathlib import Path

import pytest

from tests.shared import ROOT
from waypost import settings
from waypost.errors import BadSetting
from waypost.settings import Settings


def test_the_environment_sets_each_kind_of_field() -> None:
    found = Settings.read(
        {"WAYPOST_DATA": "/x", "WAYPOST_WORKERS": "3", "WAYPOST_REQUIRE_KEY": "yes",
         "WAYPOST_JUDGE_BUDGET_USD": "2.5", "WAYPOST_HOST": "0.0.0.0"}
    )  # fmt: skip
    assert (found.data, found.workers, found.require_key) == (Path("/x"), 3, True)
    assert (found.judge_budget_usd, found.on_loopback) == (2.5, False)


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("WAYPOST_WORKERS", "many", "a whole number"),
        ("WAYPOST_REQUIRE_KEY", "perhaps", "yes or no"),
        ("WAYPOST_UI", "99999", "a port"),
        ("WAYPOST_JUDGE_BUDGET_USD", "ten", "a number"),
    ],
)
def test_a_value_that_does_not_fit_names_its_variable(name: str, value: str, wanted: str) -> None:
    with pytest.raises(BadSetting, match=f"{name}='{value}' is not {wanted}"):
        Settings.read({name: value})


def test_a_secret_may_lie_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("s3cret\n")
    assert Settings.read({"WAYPOST_JUDGE_KEY_FILE": str(tmp_path / "key")}).judge_key == "s3cret"
    with pytest.raises(BadSetting, match="cannot be read"):
        Settings.read({"WAYPOST_JUDGE_KEY_FILE": str(tmp_path / "none")})


def test_the_settings_table_in_the_docs_is_current() -> None:
    page = (ROOT / "docs" / "reference" / "settings.md").read_text()
    assert settings.table() in page
