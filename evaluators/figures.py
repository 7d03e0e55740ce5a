"""Which numbers follow from those that were seen: sums, totals, shares, and the same in short."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from itertools import islice

from evaluators.text import NUMERAL, comma_number, leaves, plain_number

_SCALES = (1.0, 100.0, 0.01, 1e3, 1e-3, 1e-6, 1e-9)  # shares, cents, thousands, millions, …
_TELLING = 2
_MOST_LEAVES = 5_000
_MOST_SHARES = 60
_INDEX = re.compile(r"\[\d+\]")


def readings(text: str) -> list[str]:
    """What a number may mean in plain form: with a decimal point, with a decimal comma."""
    bare = text.strip("$€£%")
    point = plain_number(bare) if NUMERAL.fullmatch(bare) else None
    return [form for form in (point, comma_number(bare)) if form is not None]


def is_one_of(plain: str, seen: Iterable[float]) -> bool:
    """Whether a seen number, written as short as this one, or in a larger unit, is this one.

    A single digit says too little to be known again.
    """
    decimals = len(plain.partition(".")[2])
    if len(plain.replace(".", "").strip("0")) < _TELLING:
        return False
    number, half = float(plain), 0.5 * 10**-decimals * (1 + 1e-9)
    return any(abs(one * scale - number) <= half for one in seen for scale in _SCALES)


def totals(text: str) -> tuple[float, ...]:
    """What records add up to, column by column: sums, means, differences, shares, how many."""
    if not text.lstrip().startswith(("[", "{")):
        return ()
    try:
        value = json.loads(text)
    except ValueError:
        return ()
    columns: dict[str, list[float]] = defaultdict(list)
    for path, item in islice(leaves(value), _MOST_LEAVES):
        if isinstance(item, int | float) and not isinstance(item, bool):
            columns[_INDEX.sub("[]", path)].append(float(item))
    found: list[float] = []
    for values in columns.values():
        if len(values) > 1:
            total = sum(values)
            found += [total, total / len(values), max(values) - min(values), float(len(values))]
            if total:
                found += [one / total for one in values[:_MOST_SHARES]]
    return tuple(found)
