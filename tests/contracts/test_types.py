"""mypy finds nothing: it runs among the tests, because it takes one processor for two minutes."""

import subprocess
import sys

import pytest

from tests.shared import ROOT


@pytest.mark.timeout(900)
def test_mypy_finds_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
