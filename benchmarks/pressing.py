"""Bodies compressed and restored one by one and all at once, alone and beside a busy thread.

`python -m benchmarks.pressing` prints milliseconds for 1,000 bodies. A compression gives the
interpreter away; a thread that computes keeps it for 5 ms each time.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from waypost.store.codec import Codec

_WORDS = [f"word{i}" for i in range(3_000)]


@contextmanager
def busy_thread() -> Iterator[None]:
    end = threading.Event()

    def compute() -> None:
        while not end.is_set():
            sum(range(1_000))

    thread = threading.Thread(target=compute)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def milliseconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1e3


def ways(bodies: Sequence[bytes]) -> dict[str, Callable[[], object]]:
    codec = Codec()
    pressed = codec.press_all(bodies)
    return {
        "compress one by one": lambda: [codec.press(one) for one in bodies],
        "compress all at once": lambda: codec.press_all(bodies),
        "restore one by one": lambda: [codec.restore(*one) for one in pressed],
        "restore all at once": lambda: codec.restore_all(pressed),
    }


def main() -> None:
    chance = random.Random(1)
    found = ways([" ".join(chance.choices(_WORDS, k=90)).encode() for _ in range(1_000)])
    alone = {name: milliseconds(work) for name, work in found.items()}
    with busy_thread():
        beside = {name: milliseconds(work) for name, work in found.items()}
    for name in found:
        print(f"{name:22} alone {alone[name]:8.1f} ms, beside a busy thread {beside[name]:8.1f} ms")


if __name__ == "__main__":
    main()
