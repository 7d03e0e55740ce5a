"""Answers are asked for once, used for a while, and the last one outlives what was forgotten."""

import threading
import time
from collections.abc import Iterator
from itertools import count

import pytest

from ui.kept import Kept


@pytest.fixture
def numbers() -> Iterator[int]:
    return count(1)


def test_an_answer_is_used_while_it_is_fresh(numbers: Iterator[int]) -> None:
    kept = Kept(fresh=60)
    assert [kept.answer("a", numbers.__next__) for _ in range(3)] == [1, 1, 1]
    assert kept.answer("b", numbers.__next__) == 2


def test_an_old_answer_is_asked_for_again(
    numbers: Iterator[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, now = Kept(fresh=15), time.time()
    assert kept.answer("a", numbers.__next__) == 1
    monkeypatch.setattr(time, "time", lambda: now + 16)
    assert kept.answer("a", numbers.__next__) == 2
    monkeypatch.setattr(time, "time", lambda: now - 3600)  # a clock that was set back
    assert kept.answer("a", numbers.__next__) == 3


def test_what_is_forgotten_is_asked_for_again_and_still_known(numbers: Iterator[int]) -> None:
    kept = Kept(fresh=60)
    kept.answer("a", numbers.__next__)
    kept.forget()
    known = kept.last("a")
    assert known is not None
    assert known[1] == 1
    assert kept.answer("a", numbers.__next__) == 2
    assert kept.last("never asked") is None


def test_a_question_that_fails_leaves_the_last_answer(numbers: Iterator[int]) -> None:
    kept = Kept(fresh=60)
    kept.answer("a", numbers.__next__)
    kept.forget()
    with pytest.raises(ZeroDivisionError):
        kept.answer("a", lambda: 1 // 0)
    known = kept.last("a")
    assert known is not None
    assert known[1] == 1


def test_many_who_wait_ask_once(numbers: Iterator[int]) -> None:
    kept, inside, go_on = Kept(fresh=60), threading.Event(), threading.Event()
    seen: list[int] = []

    def slow() -> int:
        inside.set()
        go_on.wait(10)
        return next(numbers)

    threads = [
        threading.Thread(target=lambda: seen.append(kept.answer("a", slow))) for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    assert inside.wait(10)
    assert kept.answer("another", lambda: 7) == 7  # nobody waits for a question of others
    go_on.set()
    for thread in threads:
        thread.join()
    assert seen == [1] * 5


def test_the_oldest_questions_go_first(numbers: Iterator[int]) -> None:
    kept = Kept(most=2, fresh=60)
    for question in ("a", "b", "a", "c"):
        kept.answer(question, numbers.__next__)
    assert kept.last("a") is not None
    assert kept.last("b") is None
