"""The queue: bounded in bytes, batches, retries, counts, forks."""

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tracer.queue import Queue, size_of


class Wire:
    """Takes batches, or refuses as often as told."""

    def __init__(self, refuse: int = 0, raises: bool = False) -> None:
        self.batches: list[list[Any]] = []
        self.refuse = refuse
        self.raises = raises
        self.open = threading.Event()
        self.open.set()

    def __call__(self, batch: Sequence[Any], /) -> bool:
        assert self.open.wait(10)
        if self.refuse:
            self.refuse -= 1
            if self.raises:
                raise OSError("gone")
            return False
        self.batches.append(list(batch))
        return True


@pytest.fixture
def made() -> Iterator[list[Queue[Any]]]:
    found: list[Queue[Any]] = []
    yield found
    for one in found:
        one.close(0.1)


def queue(made: list[Queue[Any]], wire: Wire, **options: Any) -> Queue[Any]:
    settings = {"max_bytes": 1000, "batch_bytes": 300, "batch_items": 10, "delay": 0.01, **options}
    one: Queue[Any] = Queue(wire, **settings)
    made.append(one)
    return one


def test_everything_arrives_in_order(made: list[Queue[Any]]) -> None:
    wire = Wire()
    one = queue(made, wire)
    for n in range(9):
        assert one.put(n, 10)
    assert one.flush(5)
    assert [n for batch in wire.batches for n in batch] == list(range(9))
    assert (one.counts.queued, one.counts.sent, one.counts.dropped) == (9, 9, 0)
    assert one.bytes == 0


def test_batches_keep_to_bytes_and_items(made: list[Queue[Any]]) -> None:
    wire = Wire()
    wire.open.clear()
    one = queue(made, wire, batch_bytes=100, batch_items=3)
    for n in range(6):
        one.put(n, 60 if n < 3 else 10)
    one.put("large", 500)
    wire.open.set()
    assert one.flush(5)
    assert all(len(b) <= 3 for b in wire.batches)
    assert ["large"] in wire.batches


def test_what_does_not_fit_is_dropped_and_counted(made: list[Queue[Any]], caplog: Any) -> None:
    wire = Wire()
    wire.open.clear()
    one = queue(made, wire)
    taken = [one.put(n, 400) for n in range(4)]
    assert taken == [True, True, False, False]
    assert one.counts.dropped == 2
    # In the thread that put them: that of an earlier test's queue may still give up on its own.
    here = [r for r in caplog.records if r.thread == threading.get_ident()]
    assert ["dropped so far" in r.getMessage() for r in here] == [True]
    wire.open.set()


@pytest.mark.parametrize("raises", [False, True])
def test_a_batch_that_did_not_arrive_is_sent_again(made: list[Queue[Any]], raises: bool) -> None:
    wire = Wire(refuse=2, raises=raises)
    one = queue(made, wire)
    one.put("a", 10)
    assert not one.flush(5)
    while not one.flush(5):
        pass
    assert wire.batches == [["a"]]


def test_it_gives_up_on_a_batch_after_some_time(made: list[Queue[Any]]) -> None:
    one = queue(made, Wire(refuse=1000), delay=0.0001)
    one.put("poison", 10)
    for _ in range(100):
        one.flush(1)
        if one.counts.dropped:
            break
    assert one.counts.dropped == 1
    assert one.bytes == 0


def test_after_close_nothing_is_taken_and_the_rest_is_counted(made: list[Queue[Any]]) -> None:
    wire = Wire()
    wire.open.clear()
    one = queue(made, wire)
    one.put("a", 10)
    one.close(0.05)
    wire.open.set()
    assert not one.put("b", 10)
    assert one.counts.dropped >= 1


def test_a_queue_of_another_process_starts_empty(made: list[Queue[Any]]) -> None:
    wire = Wire()
    wire.open.clear()
    one = queue(made, wire)
    one.put("the parent's", 10)
    one._pid = -1
    wire.open.set()
    one.put("the child's", 10)
    assert one.flush(5)
    assert ["the child's"] in wire.batches


def test_the_worker_does_what_it_is_asked_from_time_to_time(made: list[Queue[Any]]) -> None:
    ticked = threading.Event()
    one = queue(made, Wire(), tick=ticked.set)
    one.put("a", 1)
    assert ticked.wait(5)


def test_a_thread_that_cannot_start_is_no_fault(
    made: list[Queue[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", no)
    one = queue(made, Wire())
    assert one.put("a", 1)
    assert not one.flush(0.1)


def test_sizes_count_texts_and_lists() -> None:
    assert size_of(None) == 256
    assert size_of({"a": "x" * 1000}) > 1256
    assert size_of({"a": "ü" * 1000}) > 3000
    assert size_of({"a": ("x" * 100, 1), "b": 1}) > 350
