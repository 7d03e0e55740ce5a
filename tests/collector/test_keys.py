"""Keys: they decide the project, and without one nothing comes in."""

import base64
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import psycopg
import pytest

from tests.collector.process import EXPORT, Running, batch, collector
from tests.conftest import clone
from waypost.store import keys, projects
from waypost.store.audit import Actor
from waypost.store.engine import connect

BY = Actor("test", "test")


@pytest.fixture(scope="module")
def server(servers: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    for url in clone(servers["18"]):
        with collector(url, tmp_path_factory.mktemp("keys"), WAYPOST_REQUIRE_KEY="1") as running:
            yield running


def make_key(url: str, project: str = "default", *scopes: str) -> str:
    engine = connect(url)
    with engine.begin() as connection:
        found = (
            projects.named(connection, project)
            if project == "default"
            else projects.create(connection, project, by=BY)
        )
        _, secret = keys.create(connection, found.id, "k", by=BY, scopes=scopes or ("write",))
    engine.dispose()
    return secret


def test_the_key_may_come_in_three_ways_and_names_the_project(server: Running) -> None:
    secret = make_key(server.url, "other")
    basic = base64.b64encode(f"pk-lf-1:{secret}".encode()).decode()
    for number, headers in enumerate(
        ({"authorization": f"Bearer {secret}"}, {"x_api_key": secret},
         {"authorization": f"Basic {basic}"})
    ):  # fmt: skip
        assert server.post(batch(number, 1), **headers).status_code == 200
    with psycopg.connect(server.url) as connection:
        rows = connection.execute(
            "select p.name, count(*) from step s join project p on p.id = s.project_id group by 1"
        ).fetchall()
    assert ("other", 3) in rows
    assert "default" not in dict(rows)


@pytest.mark.parametrize("header", ["", "Bearer wrong", "Bearer wp_wrong", "Basic ====", "Bearer"])
def test_without_a_good_key_nothing_comes_in(server: Running, header: str) -> None:
    answer = server.post(batch(1, 1), **({"authorization": header} if header else {}))
    assert answer.status_code == 401


@pytest.mark.parametrize("key", [None, "wp_wrong"])
def test_grpc_takes_nothing_without_a_good_key_either(server: Running, key: str | None) -> None:
    sent = (("x-api-key", key),) if key else ()
    channel = grpc.insecure_channel(f"127.0.0.1:{server.grpc}")
    with channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(EXPORT)(batch(1, 1), timeout=20, metadata=sent)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_a_revoked_key_is_refused_within_five_seconds(server: Running) -> None:
    secret = make_key(server.url, "revoked")
    assert server.post(batch(1, 1), x_api_key=secret).status_code == 200
    engine = connect(server.url)
    with engine.begin() as connection:
        found = keys.find(connection, secret)
        assert found is not None
        keys.revoke(connection, found.project_id, found.id, by=BY)
    engine.dispose()
    revoked, sent, status = time.monotonic(), 0.0, 200
    while status == 200:
        sent = time.monotonic() - revoked
        status = server.post(batch(2, 1), x_api_key=secret).status_code
        assert status == 401 or sent < 5
    assert status == 401


def test_a_key_is_written_nowhere_but_as_a_hash(server: Running) -> None:
    secret = make_key(server.url, "hashed")
    assert server.post(batch(1, 1), x_api_key=secret).status_code == 200
    with psycopg.connect(server.url) as connection:
        rows = connection.execute(
            "select k::text from api_key k union all select a::text from audit a"
        )
        assert not [row for row in rows if secret in row[0]]
    assert secret not in server.client.get(server.address + "/metrics").text


def test_a_key_that_may_only_read_cannot_send(server: Running) -> None:
    secret = make_key(server.url, "default", "read")
    assert server.post(batch(1, 1), x_api_key=secret).status_code == 401


def test_wrong_keys_from_one_address_are_limited(database: str, tmp_path: Path) -> None:
    with collector(database, tmp_path, WAYPOST_REQUIRE_KEY="1") as own:
        codes = [own.post(b"", x_api_key=f"wp_{i}").status_code for i in range(70)]
    assert codes[0] == 401
    assert codes[-1] == 429
