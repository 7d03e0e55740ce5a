"""Recall and precision of the redaction rules on labelled texts, and their speed on hostile ones.

python benchmarks/redaction.py [path to presidio_pii/data.jsonl]
"""

import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.shared import DATA
from waypost.redact import Redactor

LABELS = {
    "CARD": "CREDIT_CARD",
    "EMAIL": "EMAIL_ADDRESS",
    "IBAN": "IBAN_CODE",
    "IP": "IP_ADDRESS",
    "PHONE": "PHONE_NUMBER",
    "SSN": "US_SSN",
    "ADDRESS": "STREET_ADDRESS",
    "PERSON": "PERSON",
}
HOSTILE = {
    "aaaa@…": "aaaa@",
    "1111…": "1",
    "1111 1111 …": "1111 ",
    "BEGIN PRIVATE KEY…": "-----BEGIN PRIVATE KEY-----",
}


class Tally(NamedTuple):
    """How often one kind was labelled, found where labelled, and found at all."""

    labelled: int
    recalled: int
    found: int
    right: int

    @property
    def recall(self) -> str:
        return f"{self.recalled / self.labelled:6.1%}" if self.labelled else "     –"

    @property
    def precision(self) -> str:
        return f"{self.right / self.found:6.1%}" if self.found else "     –"


def taken(text: str, clean: str) -> Iterator[tuple[int, int, str]]:
    """Where in `text` each placeholder of `clean` stands."""
    parts = re.split(r"\[([A-Z_]+)\]", clean)
    at = len(parts[0])
    for kind, after in zip(parts[1::2], parts[2::2], strict=True):
        end = text.find(after, at) if after else len(text)
        yield at, end, kind
        at = end + len(after)


def measure(rows: list[dict[str, object]], redactor: Redactor) -> dict[str, Tally]:
    """One tally a kind over all rows."""
    labelled, recalled, found, right = (
        Counter[str](),
        Counter[str](),
        Counter[str](),
        Counter[str](),
    )
    for row in rows:
        text = str(row["output"])
        marks = list(taken(text, redactor.text(text)[0]))
        meta = row["meta"]
        spans = meta["spans"] if isinstance(meta, dict) else []
        for kind, label in LABELS.items():
            truth = [(s["start"], s["end"]) for s in spans if s["type"] == label]
            mine = [(a, b) for a, b, k in marks if k == kind]
            labelled[kind] += len(truth)
            recalled[kind] += sum(any(a < e and b > s for a, b, _ in marks) for s, e in truth)
            found[kind] += len(mine)
            right[kind] += sum(any(a < e and b > s for s, e in truth) for a, b in mine)
    return {k: Tally(labelled[k], recalled[k], found[k], right[k]) for k in LABELS}


def figures(rows: list[dict[str, object]]) -> str:
    """The published table: both levels side by side."""
    lines = [
        "| kind | labelled | recall, standard | precision | recall, strict | precision |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    standard, strict = measure(rows, Redactor()), measure(rows, Redactor("strict"))
    for kind, tally in standard.items():
        cells = [tally.recall, tally.precision, strict[kind].recall, strict[kind].precision]
        lines.append(
            f"| {kind} | {tally.labelled} | " + " | ".join(c.strip() for c in cells) + " |"
        )
    return "\n".join(lines)


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else DATA / "presidio_pii" / "data.jsonl"
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    print(f"{len(rows)} texts\n\n{figures(rows)}")
    print("\n| 1 MB of | CPU ms, standard |\n|---|---:|")
    for name, piece in HOSTILE.items():
        begin = time.process_time()
        Redactor().text(piece * (1_000_000 // len(piece)))
        print(f"| `{name}` | {(time.process_time() - begin) * 1000:.0f} |")


if __name__ == "__main__":
    main()
