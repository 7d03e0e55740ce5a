"""`waypost up` knows when its parts answer, with TLS too, and does not say so before."""

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.collector.process import free_port
from tests.collector.test_security import write_certificate
from waypost.demo.verb import wait_for
from waypost.errors import WaypostError
from waypost.settings import Settings
from waypost.up import wait_ready


class _Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[Settings]:
    """Settings of a receiver that answers over TLS, with a certificate of its own making."""
    certificate, key = write_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Healthy) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield Settings(otlp_http=server.server_port, tls_cert=certificate, tls_key=key)
        server.shutdown()
        thread.join()


def test_a_receiver_with_tls_is_seen_to_answer(secure: Settings) -> None:
    assert secure.receiver.startswith("https://127.0.0.1:")
    assert wait_ready(secure, with_ui=False, until=lambda: False)


def test_the_demo_says_that_a_certificate_cannot_be_checked(
    secure: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(WaypostError, match="SSL_CERT_FILE"):
        wait_for(secure.receiver)
    monkeypatch.setenv("SSL_CERT_FILE", str(secure.tls_cert))
    wait_for(secure.receiver)


def test_what_is_waited_for_is_said_and_where_nobody_listens_not_for_long(
    capsys: pytest.CaptureFixture[str],
) -> None:
    target = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(WaypostError, match=f"No collector answers at {target}; start one"):
        wait_for(target, refused_seconds=2)
    assert capsys.readouterr().err == f"Waiting for a collector at {target} …\n"


def test_what_does_not_answer_in_time_is_not_called_up() -> None:
    silent = Settings(otlp_http=free_port())
    assert not wait_ready(silent, with_ui=False, until=lambda: False, seconds=0.2)
