"""Nothing leaves to where it should not, and no answer can hold us up."""

import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from waypost.outgoing import LIMIT, Answer, Outgoing, Refused, Unreached, is_public

LOCAL = Outgoing(frozenset({"127.0.0.1", "localhost"}), seconds=2)


@contextmanager
def answering(
    *parts: bytes, pause: float = 0.0, forever: bool = False
) -> Iterator[tuple[int, list[bytes]]]:
    """A listener on loopback that gives these bytes to whoever asks: its port and what it got."""
    got: list[bytes] = []
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(0.1)
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            try:
                peer, _ = server.accept()
            except TimeoutError:
                continue
            with peer:
                got.append(peer.recv(65536))
                _give(peer)

    def _give(peer: socket.socket) -> None:
        try:
            for part in parts:
                peer.sendall(part)
                stop.wait(pause)
            while forever and not stop.is_set():
                peer.sendall(b"x" * 4096)
                stop.wait(pause)
        except OSError:
            return

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield server.getsockname()[1], got
    finally:
        stop.set()
        thread.join()
        server.close()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize("address", [
    "127.0.0.1", "::1", "169.254.169.254", "0.0.0.0", "10.0.0.1", "192.168.1.1", "172.16.0.1",
    "::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "64:ff9b::7f00:1", "2002:7f00:1::", "fe80::1%eth0",
    "fc00::1", "224.0.0.1", "255.255.255.255", "100.64.0.1", "::", "nonsense",
])  # fmt: skip
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822"])
def test_addresses_that_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("url", [
    "http://127.0.0.1:9/", "http://127.1:9/", "http://2130706433:9/", "http://0.0.0.0:9/",
    "http://[::1]:9/", "http://[::ffff:127.0.0.1]:9/", "http://169.254.169.254/latest/",
    "http://localhost:9/", "ftp://example.com/", "file:///etc/passwd", "gopher://x/", "nothing",
    "http://user:word@example.com/", "http://[::1",
])  # fmt: skip
def test_inner_addresses_and_other_schemes_are_refused(url: str) -> None:
    with pytest.raises(Refused):
        Outgoing().post(url, b"{}")


def test_one_inner_address_among_several_is_enough_to_refuse() -> None:
    out = Outgoing(resolve=lambda *_: ["93.184.216.34", "10.0.0.1"])
    with pytest.raises(Refused, match=r"10\.0\.0\.1"):
        out.post("http://example.com/", b"")


def test_the_name_is_resolved_once_and_the_checked_address_is_used() -> None:
    asked: list[str] = []

    def resolve(host: str, _: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    with answering(OK) as (port, got):
        out = Outgoing(frozenset({"example.com"}), resolve=resolve)
        assert out.post(f"http://example.com:{port}/x?y=1", b"{}").body == b"ok"
    assert asked == ["example.com"]
    assert got[0].startswith(b"POST /x?y=1 HTTP/1.1\r\nHost: example.com")


def test_a_redirect_is_an_answer_and_not_followed() -> None:
    away = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    with answering(away) as (port, got):
        assert LOCAL.post(f"http://127.0.0.1:{port}/", b"").status == 302
    assert len(got) == 1


def test_an_endless_answer_is_cut() -> None:
    with answering(b"HTTP/1.1 200 OK\r\n\r\n", forever=True) as (port, _):
        assert len(LOCAL.post(f"http://127.0.0.1:{port}/", b"").body) == LIMIT


def test_a_dripping_answer_ends_in_time() -> None:
    out = Outgoing(LOCAL.allowed, seconds=0.6)
    start = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
    began = time.monotonic()
    with answering(start, *[b"."] * 100, pause=0.2) as (port, _), pytest.raises(Unreached):
        out.post(f"http://127.0.0.1:{port}/", b"")
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1"])
def test_what_is_no_answer_is_said(answer: bytes) -> None:
    with answering(answer) as (port, _), pytest.raises(Unreached, match="no proper answer"):
        LOCAL.post(f"http://127.0.0.1:{port}/", b"")


def test_nobody_there_and_no_such_name_are_said() -> None:
    def unknown(*_: object) -> list[str]:
        raise OSError("no such name")

    with pytest.raises(Unreached, match="cannot be resolved"):
        Outgoing(resolve=unknown).post("http://example.com/", b"")
    with pytest.raises(Unreached, match="has no address"):
        Outgoing(resolve=lambda *_: []).post("http://example.com/", b"")


def test_a_signature_can_be_checked_and_is_dated() -> None:
    with answering(OK) as (port, got):
        out = Outgoing(LOCAL.allowed, clock=lambda: 1_795_000_000.0)
        found: Answer = out.post(
            f"http://127.0.0.1:{port}/", json.dumps({"a": 1}).encode(), secret="word"
        )
    assert found.status == 200
    expected = hmac.new(b"word", b'1795000000.{"a": 1}', hashlib.sha256).hexdigest()
    assert f"X-Waypost-Signature: sha256={expected}".encode() in got[0]
    assert b"X-Waypost-Timestamp: 1795000000" in got[0]


def test_the_allow_list_is_read_from_settings() -> None:
    assert Outgoing.of(" hooks.internal, 10.0.0.7 ").allowed == {"hooks.internal", "10.0.0.7"}
    assert Outgoing.of("10.0.0.7").check("10.0.0.7", 80) == "10.0.0.7"
