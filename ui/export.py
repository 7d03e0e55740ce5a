"""Tables as files; a spreadsheet must not take a cell for a formula."""

import csv
import io
from collections.abc import Mapping, Sequence

import orjson

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def cell(value: object) -> object:
    """A text that begins like a formula gets an apostrophe in front."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return "'" + value
    return value


def as_csv(rows: Sequence[Mapping[str, object]]) -> bytes:
    """The rows as CSV with a header; UTF-8 with a mark, so spreadsheets read it right."""
    out = io.StringIO()
    if rows:
        writer = csv.DictWriter(out, fieldnames=[str(cell(n)) for n in rows[0]])
        writer.writeheader()
        for row in rows:
            writer.writerow({str(cell(k)): cell(v) for k, v in row.items()})
    return out.getvalue().encode("utf-8-sig")


def as_json(rows: Sequence[Mapping[str, object]]) -> bytes:
    """The rows as JSON lines in one list."""
    return orjson.dumps(list(rows), option=orjson.OPT_INDENT_2, default=str)
