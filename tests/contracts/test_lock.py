"""The lock files pin every package with hashes, and name no address."""

import re
from pathlib import Path

import pytest

from tests.shared import ROOT

LOCKS = [ROOT / "requirements.lock", ROOT / "requirements-dev.lock"]


@pytest.mark.parametrize("path", LOCKS, ids=lambda p: p.name)
def test_every_package_is_pinned_with_a_hash_and_no_address(path: Path) -> None:
    text = path.read_text()
    assert "://" not in text
    assert "--index" not in text
    blocks = re.split(r"\n(?=\S)", re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE).strip())
    assert blocks
    for block in blocks:
        assert "==" in block, block
        assert "--hash=sha256:" in block, block


def test_everything_the_project_asks_for_is_locked() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    locked = {re.split("==", line)[0] for line in LOCKS[1].read_text().splitlines() if "==" in line}
    wanted = [*project["dependencies"], *extras["server"], *extras["dev"]]
    names = {re.match(r"[\w.-]+", one)[0].lower().replace("_", "-") for one in wanted}  # type: ignore[index]  # every requirement begins with a name
    assert names - {name.lower() for name in locked} == set()
