"""TLS by path, keys beyond loopback, browsers only by list, slow bodies, a disk that is full."""

import datetime as dt
import errno
import ipaddress
import os
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from collector.packing import Parcel
from collector.spool import Spool
from tests.collector.process import EXPORT, Running, answered, batch, collector, free_port, stored
from tests.conftest import clone
from waypost.errors import DiskFull


@pytest.fixture(scope="module")
def plain(servers: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A collector with no setting of its own."""
    for url in clone(servers["18"]):
        with collector(url, tmp_path_factory.mktemp("collector")) as running:
            yield running


def write_certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, private


def seen_certificate(port: int) -> str:
    return ssl.get_server_certificate(("127.0.0.1", port), timeout=5)


def test_tls_is_spoken_on_both_ports_and_renewed_from_its_files(
    database: str, tmp_path: Path
) -> None:
    certificate, key = write_certificate(tmp_path)
    settings = {"WAYPOST_TLS_CERT": str(certificate), "WAYPOST_TLS_KEY": str(key)}
    running = Running(database, tmp_path, settings).start()
    try:
        context = ssl.create_default_context(cafile=certificate)
        url = f"https://127.0.0.1:{running.http}/v1/traces"
        kind = {"content-type": "application/x-protobuf"}
        answer = answered(
            lambda: httpx.post(url, content=batch(0, 1), verify=context, headers=kind)
        )
        assert answer.status_code == 200
        credentials = grpc.ssl_channel_credentials(certificate.read_bytes())
        with grpc.secure_channel(f"127.0.0.1:{running.grpc}", credentials) as channel:
            assert channel.unary_unary(EXPORT)(batch(1, 1), timeout=20) == b""
        before = seen_certificate(running.http)
        write_certificate(tmp_path)
        for _ in range(60):
            if seen_certificate(running.http) != before:
                break
            time.sleep(0.1)
        assert seen_certificate(running.http) != before
    finally:
        running.stop()
    assert sorted(stored(database)) == [1, 2]


def test_a_key_is_required_on_any_address_but_loopback(database: str, tmp_path: Path) -> None:
    running = Running(database, tmp_path, {"WAYPOST_HOST": "127.0.0.2"}).start()
    try:
        url = f"http://127.0.0.2:{running.http}/v1/traces"
        answer = answered(lambda: running.client.post(url, content=b""))
    finally:
        running.stop()
    assert answer.status_code == 401


def test_browsers_may_send_only_from_listed_origins(
    plain: Running, database: str, tmp_path: Path
) -> None:
    origin = {"origin": "https://shop.example", "access-control-request-method": "POST"}
    allowed = {"WAYPOST_CORS_ORIGINS": "https://shop.example"}
    with collector(database, tmp_path, **allowed) as running:
        url = running.address + "/v1/traces"
        mine = running.client.options(url, headers=origin)
        other = running.client.options(url, headers={**origin, "origin": "https://evil.example"})
    assert mine.headers["access-control-allow-origin"] == "https://shop.example"
    assert "access-control-allow-origin" not in other.headers
    unasked = plain.client.options(plain.address + "/v1/traces", headers=origin)
    assert "access-control-allow-origin" not in unasked.headers


def test_a_body_that_trickles_is_cut_off(plain: Running) -> None:
    slow = socket.create_connection(("127.0.0.1", plain.http))
    slow.sendall(
        b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n"
        b"content-length: 1000\r\n\r\nx"
    )
    assert plain.post(batch(0, 1)).status_code == 200
    slow.settimeout(40)
    answer = slow.recv(100)
    slow.close()
    assert answer.startswith(b"HTTP/1.1 408")


def test_two_collectors_cannot_take_one_port(plain: Running) -> None:
    second = Running(plain.url, plain.data, http=plain.http, grpc=free_port()).start()
    assert second.process is not None
    assert second.process.wait(60) == 1
    assert plain.post(batch(0, 1)).status_code == 200


def test_a_full_disk_below_the_spool_is_told_and_keeps_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path, 1 << 20)
    spool.put([Parcel(1)])

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull):
        spool.put([Parcel(2)])
    monkeypatch.undo()
    spool.put([Parcel(3)])
    assert [p.project_id for part in spool.play() for p in part] == [1, 3]
    spool.close()
