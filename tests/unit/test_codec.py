"""Bodies pressed and restored all at once are what they are one by one."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from waypost.store.codec import Codec

SIZES = [0, 1, 199, 200, 201, 4_095, 4_096, 65_535, 65_536]
WORDS = ["step", "tool", "model", "7", "é"]
BODIES = [" ".join(random.Random(n).choices(WORDS, k=n)).encode()[:n] for n in SIZES]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(BODIES), max_size=12))
def test_all_in_one_go_is_one_by_one(bodies: list[bytes]) -> None:
    codec = Codec()
    pressed = codec.press_all(bodies)
    assert pressed == [codec.press(one) for one in bodies]
    assert codec.restore_all(pressed) == bodies
    assert [codec.restore(*one) for one in pressed] == bodies
