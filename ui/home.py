"""What the home page says of the place it is asked about: its answer, its rows, its grid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from ui import blocks, cell, data, place, ranking, subjects, words
from ui.blocks import Answer, Block
from ui.place import Place
from ui.ranking import Finding, Row
from ui.widgets.grid import drawn
from waypost.links import VALUE, cell_query
from waypost.records import Json
from waypost.store.projects import Project
from waypost.store.rates import Compared

KEYS, SORT, SHOW = ("A row for each", 430), ("Sort", 190), ("Show", 210)
FIRST_STEP, THE_CELL = "Show first bad step", "Show the cell"
MODES = {"rate": "fail rate", "change": "change to the window before", "values": "two values"}
MOST_ROWS = 20
_USUAL = ("prompt_version", "model", "region")


@dataclass(frozen=True, slots=True)
class Home:
    """The figures of a place, in the order the page shows them."""

    keys: Sequence[str]
    found: Sequence[Compared]
    findings: Sequence[Finding]
    rows: Sequence[Row]
    evaluators: Sequence[str]

    @property
    def shown(self) -> Sequence[str]:
        """The evaluators of the grid: those that found a failure, or all when none did."""
        return ranking.telling(self.rows, self.evaluators) or self.evaluators

    @property
    def quiet(self) -> Sequence[str]:
        """Those the grid leaves out."""
        shown = self.shown
        return [n for n in self.evaluators if n not in shown and not subjects.of_runs(n)]


def home_of(here: Place) -> Home | None:
    """The figures of this place; None without any verdict."""
    keys, sides = chosen_keys(here.project), place.sides()
    found = data.compared(here, keys, sides)
    if not found:
        return None
    if sides:
        of = sides[0][0]
        keys = [*(k for k in keys if k != of), of]
    findings = ranking.out_of_line(found)
    rows, evaluators = ranking.grid(found, findings)
    return Home(keys, found, findings, _sorted(rows, findings), evaluators)


def chosen_keys(project: Project) -> list[str]:
    """The cohort keys the rows are made of: those of the address, else the usual ones."""
    given = dict.fromkeys(place.get("by").split(","))
    asked = [k for k in given if k in project.cohort_keys]
    usual = [k for k in _USUAL if k in project.cohort_keys]
    return asked or usual or list(project.cohort_keys[:2])


def _sorted(rows: Sequence[Row], findings: Sequence[Finding]) -> list[Row]:
    """In the order the address asks for; in the usual one, what is out of line comes first."""
    order = place.one_of("sort", ranking.ORDERS)
    made = sorted(rows, key=ranking.ORDERS[order])
    if order != next(iter(ranking.ORDERS)):
        return made
    worst = {tuple(f.cell.values.values()): f.against.low for f in reversed(findings)}
    return sorted(made, key=lambda row: -worst.get(tuple(row.values.values()), -1.0))


def answer(here: Place, home: Home) -> Answer:
    """Which cohort is failing, since when; or that none is."""
    other = place.earlier_side()
    if not home.findings:
        return Answer(
            ranking.all_well(home.found),
            f"{words.plural(len(home.found), 'cell')} of {here.said} compared with "
            f"{other or 'the window before'}; a cell counts as out of line when chance alone "
            "would not explain it.",
            "good",
        )
    finding = home.findings[0]
    since = cell.since_when(here, finding.cell, is_new=finding.is_new)
    count = words.plural(len(home.findings), "cell")
    return Answer(
        "▲ " + finding.sentence(words.clock(since) if since else None, other),
        f"{count} out of line in {here.said} · interval "
        f"{words.interval(finding.cell.change.after)}",
        "bad",
    )


def grid_data(home: Home) -> dict[str, Json]:
    """What the grid draws: the first rows, marks for what is out of line, the cell chosen."""
    rows, evaluators = home.rows[:MOST_ROWS], home.shown
    bad = {(f.cell.evaluator, tuple(f.cell.values.values())) for f in home.findings}
    marks, chosen = set(), None
    values, evaluator = texts(place.chosen_values()), place.get("evaluator")
    for r, row in enumerate(rows):
        for e, name in enumerate(evaluators):
            if (name, tuple(row.values.values())) in bad:
                marks.add((r, e))
            if name == evaluator and dict(row.values) == values:
                chosen = (r, e)
    return drawn(
        rows, evaluators, corner=words.one_line(" · ".join(home.keys).replace("_", " "), 60),
        titles=words.judges(home.evaluators), changes=place.get("mode") in ("change", "values"),
        flagged=marks, chosen=chosen,
    )  # fmt: skip


def first(here: Place) -> list[Block] | None:
    """The answer and the grid, where every cell and button is a link."""
    home = None if place.get("mode") == "values" else home_of(here)
    if home is None:
        return None
    hrefs: Json = {
        "rows": [_choosing(row.values) for row in home.rows[:MOST_ROWS]],
        "columns": list(home.shown),
    }
    return [
        blocks.answer(answer(here, home), _buttons(here, home)),
        blocks.controls((KEYS, SORT, SHOW)),
        blocks.component("grid", grid_data(home), hrefs),
    ]


def first_step(here: Place, home: Home) -> dict[str, str | None] | None:
    """The query that opens the newest failing run of the worst cell; None without one."""
    one = home.findings[0].cell
    newest = data.failing(here, one.evaluator, cell.where_of(here, one))
    back = cell_query(one.evaluator, where(one.values), window=here.win)
    return {**back, "trace_id": newest[0].trace_id} if newest else None


def _buttons(here: Place, home: Home) -> list[tuple[str, str, bool]]:
    if not home.findings:
        return []
    one = home.findings[0].cell
    chosen = f"{_choosing(one.values)}&{urlencode({'evaluator': one.evaluator})}"
    step = first_step(here, home)
    run = chosen if step is None else f"trace?{urlencode(place.along(step))}"
    return [(FIRST_STEP, run, True), (THE_CELL, chosen, False)]


def _choosing(values: Mapping[str, str]) -> str:
    """The address of this page with a cohort chosen, but for its evaluator."""
    kept = {
        name: value
        for name, value in place.along({}).items()
        if not name.startswith(VALUE) and name != "evaluator"
    }
    return "?" + urlencode({**kept, **{VALUE + key: value for key, value in values.items()}})


def where(values: Mapping[str, str]) -> dict[str, str | None]:
    """Cohort values as a filter: an empty text means that a key is not set."""
    return {key: value or None for key, value in values.items()}


def texts(values: Mapping[str, str | None]) -> dict[str, str]:
    """The same the other way."""
    return {key: value or "" for key, value in values.items()}
