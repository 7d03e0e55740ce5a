"""Our scripts: the replay's pure part under node, and nothing in any that writes markup."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.shared import ROOT

SCRIPTS = sorted((ROOT / "ui").rglob("*.js"))


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed here")
def test_the_pure_part_under_node() -> None:
    path = Path(__file__).with_name("pure.test.mjs")
    done = subprocess.run(
        ["node", "--test", str(path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.name)
def test_no_text_becomes_markup_or_code(path: Path) -> None:
    banned = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|srcdoc"
    assert not re.search(banned, path.read_text(encoding="utf-8"))


def test_pages_write_untrusted_text_only_through_safe_calls() -> None:
    banned = re.compile(
        r"st\.(markdown|write|table|metric|badge|toast|chat_message)\(|unsafe_allow"
    )
    found = [p.name for p in (ROOT / "ui").rglob("*.py") if banned.search(p.read_text("utf-8"))]
    assert found == []
