"""Counters of runs equal a recount whatever changed, came late or moved."""

import datetime as dt
import random
import threading
import time
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from tests.factories import NOW_NS, SECOND, make_run, trace_id
from tests.planted import Planted, count_all, plant, verdict_of
from tests.store.test_ingest import put
from waypost.records import Outcome
from waypost.store import cohorts, feed, run_rates, runs, traces
from waypost.store.measures import Measure
from waypost.store.partitions import ensure_days
from waypost.store.rates import DAY, HOUR, Window

NOW = dt.datetime.fromtimestamp(NOW_NS / SECOND, dt.UTC)
WINDOW = Window(NOW - 3 * DAY, NOW + HOUR)
EU, US = {"region": "eu"}, {"region": "us"}


@pytest.fixture
def connection(any_engine: Engine) -> Iterator[Connection]:
    ensure_days(any_engine, [NOW.date() - n * DAY for n in range(-1, 5)])
    with any_engine.connect() as opened:
        yield opened


def some_run(n: int, chance: random.Random) -> Planted:
    return Planted(
        f"run {n}", NOW - n * 20 * dt.timedelta(minutes=1), chance.choice([EU, US]),
        {"safe": tuple(chance.choice(list(Outcome)) for _ in range(chance.randrange(3)))},
        errors=chance.randrange(3), latency_ms=chance.uniform(1, 9000),
        measures={"retries": chance.randrange(2)},
    )  # fmt: skip


def counters(connection: Connection) -> list[tuple[object, ...]]:
    query = """
        select bucket, cohort_id, measure, n, round(total::numeric, 5) from run_hour
        where n <> 0 order by 1, 2, 3"""
    return [tuple(row) for row in connection.execute(sa.text(query))]


def recount(connection: Connection) -> list[tuple[object, ...]]:
    """Forget everything that was counted, and count it all again."""
    for query in ("delete from run_hour", "delete from run_day",
                  "update trajectory set counted = null"):  # fmt: skip
        connection.execute(sa.text(query))
    found = connection.execute(sa.text("select trace_id from trajectory"))
    feed.note(connection, 1, [row.trace_id.hex for row in found])
    count_all(connection)
    return counters(connection)


def test_counters_equal_a_recount_after_random_changes(connection: Connection) -> None:
    chance = random.Random(11)
    for _ in range(6):
        plant(connection, [some_run(chance.randrange(40), chance) for _ in range(15)])
        count_all(connection)
        connection.commit()
    found = counters(connection)
    assert found == recount(connection)
    assert sum(int(str(row[3])) for row in found if row[2] == Measure.RUNS) > 30


def test_counting_again_without_a_change_moves_nothing(connection: Connection) -> None:
    run = some_run(1, random.Random(1))
    plant(connection, [run])
    count_all(connection)
    feed.note(connection, 1, [run.trace, run.trace])
    assert count_all(connection) == []


def test_a_run_that_moved_to_another_cohort_is_counted_there(connection: Connection) -> None:
    plant(connection, [Planted("a", NOW, EU, {"safe": verdict_of(True)})])
    count_all(connection)
    connection.commit()
    plant(connection, [Planted("a", NOW, US, {"safe": verdict_of(True)})])
    (change,) = count_all(connection)
    assert change.before is not None
    assert change.after is not None
    assert change.before.cohort_id != change.after.cohort_id
    cells = run_rates.by_cohort(connection, 1, WINDOW, keys=["region"])
    assert [(c.values["region"], c.runs) for c in cells] == [("us", 1)]


def test_cells_say_how_runs_go(connection: Connection) -> None:
    plant(
        connection,
        [
            Planted(str(n), NOW, EU, errors=2 * (n < 5), latency_ms=100.0 + n,
                    measures={"thumbs_down": int(n < 2), "blocks": 3 * (n == 0)})
            for n in range(50)
        ],
    )  # fmt: skip
    count_all(connection)
    (cell,) = run_rates.by_cohort(connection, 1, WINDOW)
    assert (cell.runs, cell.shares[Measure.ERRORS].k, cell.counts[Measure.ERRORS]) == (50, 5, 10)
    assert (cell.shares[Measure.BLOCKS].k, cell.counts[Measure.BLOCKS]) == (1, 3)
    assert cell.shares[Measure.THUMBS_DOWN].share == 0.04
    latency = cell.amounts[Measure.LATENCY]
    assert latency.mean == pytest.approx(124.5)
    assert latency.p50 == pytest.approx(124.5, rel=0.1)
    (point,) = run_rates.series(connection, 1, WINDOW, Measure.ERRORS)
    assert (point.rate.k, point.rate.n) == (5, 50)


def test_quantiles_are_right_within_a_tenth() -> None:
    chance = random.Random(2)
    amounts = sorted(chance.lognormvariate(7, 1) for _ in range(4000))
    buckets: dict[int, int] = {}
    for amount in amounts:
        place = feed.bucket_of(Measure.LATENCY, amount)
        buckets[place] = buckets.get(place, 0) + 1
    for share in (0.5, 0.95):
        found = run_rates.quantile(Measure.LATENCY, sorted(buckets.items()), share)
        assert found == pytest.approx(amounts[int(share * 4000)], rel=0.1)


def test_settling_a_real_run_is_noted_with_its_measures_and_versions(any_engine: Engine) -> None:
    put(any_engine, [s.replace(prompt_name="help", prompt_version="v15") for s in make_run(3)])
    with any_engine.begin() as connection:
        ids = cohorts.ids(connection, 1, [EU])
        run = runs.load(connection, 1, trace_id("run"))
        assert run is not None
        nothing = traces.Verdicts(0, None, None, "")
        traces.settle(
            connection, 1, run, cohort_id=next(iter(ids.values())), verdicts=nothing, now=NOW
        )
        (change,) = count_all(connection)
        seen = connection.execute(
            sa.text("select kind, name, version from first_seen order by kind")
        )
        assert {tuple(row) for row in seen} >= {("prompt", "help", "v15")}
    assert change.after is not None
    assert change.after.measures[Measure.RUNS] == (1, 6.0)
    assert change.after.at == {"": NOW.timestamp()}


def test_only_one_process_counts_at_a_time(engine: Engine) -> None:
    with engine.begin() as one, engine.begin() as other:
        assert feed.is_ours(one)
        assert not feed.is_ours(other)


@pytest.mark.parametrize("who", ["counts", "settles"])
def test_who_counts_and_who_settles_never_wait_in_a_circle(engine: Engine, who: str) -> None:
    runs_there = [Planted(f"run {n}", NOW, EU, {"safe": verdict_of(True)}) for n in range(20)]
    ensure_days(engine, [NOW.date()])
    with engine.begin() as connection:
        plant(connection, runs_there)
    ordered = sorted(r.trace for r in runs_there)
    done: list[str] = []

    def other() -> None:
        with engine.begin() as connection:
            if who == "counts":
                count_all(connection)
            else:
                traces.lock(connection, 1, reversed(ordered))
            done.append(who)

    thread = threading.Thread(target=other)
    with engine.begin() as settling:
        traces.lock(settling, 1, ordered[:1])
        thread.start()
        wait_until_blocked(engine)
        traces.lock(settling, 1, ordered[-1:])
    thread.join()
    assert done == [who]


def wait_until_blocked(engine: Engine) -> None:
    """Until somebody waits for a row that somebody else holds."""
    waits = sa.text("select count(*) from pg_locks where not granted")
    with engine.connect() as connection:
        while not connection.execute(waits).scalar():
            time.sleep(0.02)
