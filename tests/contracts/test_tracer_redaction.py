"""The published recall and precision are those that are measured."""

import json
from typing import Any

import pytest

from benchmarks.redaction import figures
from tests.shared import DATA, ROOT

ROWS = DATA / "presidio_pii" / "data.jsonl"
DOCUMENT = ROOT / "docs" / "reference" / "redaction.md"


@pytest.mark.skipif(not ROWS.exists(), reason="the labelled data is not beside the repository")
def test_the_documented_figures_are_the_measured_ones(capsys: Any) -> None:
    rows = [json.loads(line) for line in ROWS.read_text("utf-8").splitlines()]
    found = figures(rows)
    with capsys.disabled():
        print(f"\n{found}")
    text = DOCUMENT.read_text("utf-8").partition("<!-- table: redaction -->")[2]
    assert text.partition("<!-- end of table -->")[0].strip() == found
