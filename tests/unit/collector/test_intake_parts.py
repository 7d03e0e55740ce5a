"""The small parts of the receiver: inflating, the ledger, turns, the spool, complaints."""

import asyncio
import gzip
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from collector.decode import Encoding
from collector.door import secret_in
from collector.inflate import TooLarge, inflate
from collector.metrics import Complaints
from collector.packing import Parcel
from collector.pipeline import Request
from collector.spool import Spool, SpoolFull
from collector.tickets import Buffer, Busy, Ledger, Ticket
from waypost.errors import Unreadable
from waypost.store.projects import Project

MIB = 1 << 20


@pytest.mark.parametrize(
    ("encoding", "press"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("zstd", zstandard.compress),
        ("", bytes),
    ],
)
def test_what_was_compressed_comes_back(encoding: str, press: object) -> None:
    assert callable(press)
    body = b"spans " * 1_000
    assert inflate(press(body), encoding, MIB) == body


def test_raw_deflate_and_several_members_come_back() -> None:
    raw = zlib.compressobj(wbits=-15)
    assert inflate(raw.compress(b"x") + raw.flush(), "deflate", MIB) == b"x"
    assert inflate(gzip.compress(b"a") + gzip.compress(b"b"), "gzip", MIB) == b"ab"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_broken_and_cut_bodies_are_unreadable(encoding: str) -> None:
    presses: dict[str, Callable[[bytes], bytes]] = {
        "gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstandard.compress,
    }  # fmt: skip
    press = presses[encoding]
    whole = press(bytes(range(256)) * 50)
    for body in (b"\xff" * 20, whole[: len(whole) // 2]):
        with pytest.raises(Unreadable):
            inflate(body, encoding, MIB)


def test_a_bomb_is_too_large_long_before_it_is_inflated() -> None:
    with pytest.raises(TooLarge):
        inflate(gzip.compress(bytes(300 * MIB), 1), "gzip", 64 * MIB)


def test_a_project_gets_at_most_half_of_the_room() -> None:
    ledger = Ledger(100)
    ledger.take(1, 40)
    with pytest.raises(Busy):
        ledger.take(1, 20)
    ledger.take(2, 50)
    with pytest.raises(Busy):
        ledger.take(3, 20)
    ledger.give_back(1, 40)
    ledger.take(3, 20)
    assert ledger.held == 70


def test_projects_that_flood_together_do_not_shut_out_a_modest_one() -> None:
    ledger = Ledger(6_400)
    for flooding in (1, 2):
        ledger.take(flooding, 3_200)
    with pytest.raises(Busy):
        ledger.take(3, 101)
    for modest in range(10, 18):
        ledger.take(modest, 100)
    with pytest.raises(Busy):
        ledger.take(18, 100)


def test_one_large_request_alone_finds_room() -> None:
    ledger = Ledger(100)
    ledger.take(1, 90)
    assert ledger.held == 90


def test_projects_take_turns() -> None:
    buffer = Buffer(100)
    loop = asyncio.new_event_loop()
    for project in (1, 1, 1, 2, 3):
        asked = Request(Project(project, "p", "off", 30, ()), "traces", b"", Encoding.PROTOBUF)
        buffer.put(Ticket(asked, 0, loop, loop.create_future()))
    order = [t.request.project.id for _ in range(5) if (t := buffer.get(0)) is not None]
    loop.close()
    assert order == [1, 2, 3, 1, 1]
    assert buffer.get(0) is None


def test_a_closed_buffer_takes_nothing_more() -> None:
    buffer = Buffer(100)
    buffer.close()
    loop = asyncio.new_event_loop()
    asked = Request(Project(1, "p", "off", 30, ()), "traces", b"")
    with pytest.raises(Busy):
        buffer.put(Ticket(asked, 0, loop, loop.create_future()))
    loop.close()


def test_the_spool_gives_back_what_it_took_in_order(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MIB)
    spool.put([Parcel(n) for n in range(3)])
    spool.put([Parcel(3)])
    assert [p.project_id for part in spool.play() for p in part] == [0, 1, 2, 3]
    assert not spool
    spool.close()


def test_a_second_spool_gets_a_folder_of_its_own_and_inherits_from_the_dead(tmp_path: Path) -> None:
    first, second = Spool(tmp_path, MIB), Spool(tmp_path, MIB)
    first.put([Parcel(1)])
    second.put([Parcel(2)])
    first.close()
    second.close()
    third = Spool(tmp_path, MIB)
    assert sorted(p.project_id for part in third.play() for p in part) == [1, 2]
    third.close()


def test_a_full_spool_keeps_what_it_has(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 100)
    spool.put([Parcel(1)])
    with pytest.raises(SpoolFull):
        spool.put([Parcel(2)])
    assert [p.project_id for part in spool.play() for p in part] == [1]
    spool.close()


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_a_damaged_record_costs_itself_only(tmp_path: Path, place: float) -> None:
    spool = Spool(tmp_path, MIB)
    spool.put([Parcel(n) for n in range(5)])
    spool.close()
    path = next(tmp_path.rglob("*.spool"))
    data = bytearray(path.read_bytes())
    data[int(len(data) * place)] ^= 0xFF
    path.write_bytes(bytes(data))
    again = Spool(tmp_path, MIB)
    assert len([p for part in again.play() for p in part]) == 4
    assert again.take_corrupt() >= 1
    again.close()


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ({}, None),
        ({"authorization": "Bearer abc"}, "abc"),
        ({"authorization": "bearer  abc "}, "abc"),
        ({"x-api-key": "abc"}, "abc"),
        ({"authorization": "Basic cGs6d3BfYQ=="}, "wp_a"),
        ({"authorization": "Basic d3BfYTo="}, "wp_a"),
        ({"authorization": "Basic !!!"}, "!!!"),
        ({"authorization": "abc"}, "abc"),
    ],
)
def test_the_key_is_found_where_clients_put_it(headers: dict[str, str], wanted: str | None) -> None:
    assert secret_in(headers) == wanted


def test_a_reason_is_said_once_a_minute() -> None:
    complaints = Complaints()
    assert [complaints.due("a", t) for t in (0, 30, 59, 61)] == [True, False, False, True]
