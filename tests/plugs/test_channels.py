"""Every channel speaks to a listener, and tells permanent faults from passing ones."""

import asyncio
import json
import re
import threading
from typing import Any

import pytest

from evaluators.alerts.channel import Notice, Target, find_channels
from tests.receiver import Receiver
from waypost.errors import ChannelFailed
from waypost.outgoing import Outgoing

# Apprise looks for imghdr, which Python 3.11 still has and warns about.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
CHANNELS = find_channels()
each = pytest.mark.parametrize("name", sorted(CHANNELS))
over_http = pytest.mark.parametrize("name", sorted(set(CHANNELS) - {"email"}))
OUT = Outgoing(frozenset({"127.0.0.1"}), seconds=2)
MESSAGE: dict[str, Any] = {
    "schema": 1, "incident": 7, "status": "open", "mode": "rate", "project": "default",
    "rule": "groundedness", "severity": "critical", "owner": "support team",
    "what": "groundedness fails", "where": {"prompt_version": "v15", "model.name": "haiku"},
    "opened_at": "2026-11-20T14:41:00+00:00", "resolved_at": None,
    "labels": {"severity": "critical", "prompt_version": "v15", "model.name": "haiku"},
    "links": {"cell": "https://waypost.example/?evaluator=groundedness",
              "traces": ["https://waypost.example/t/aa?project=a&b=1"]},
    "body": "34 % of 212 verdicts (interval 28–41 %), it was 4 %.\n<!here> *bold*",
    "title": "Groundedness fails in v15 <!channel> & \r\nBcc: x@example.com",
    "text": "Groundedness fails in v15\n34 % of 212 (interval 28–41 %), it was 4 %.\nOwner: x",
}  # fmt: skip
NOTICE = Notice("waypost-7-1-opened", "waypost-incident-7", "opened", MESSAGE)
ENDED = {"status": "resolved", "resolved_at": "2026-11-20T15:00:00+00:00"}
OVER = Notice("waypost-7-2-resolved", "waypost-incident-7", "resolved", {**MESSAGE, **ENDED})
STATUSES = ((500, False), (503, False), (429, False), (400, True), (404, True), (410, True))


def target_of(name: str, receiver: Receiver) -> Target:
    port = receiver.server_port
    options = {
        "webhook": {"url": receiver.url + "/hook", "secret": "word"},
        "slack": {"url": receiver.url + "/services/x"},
        "pagerduty": {"url": receiver.url, "routing_key": "r"},
        "alertmanager": {"url": receiver.url + "/"},
        "apprise": {"url": f"json://127.0.0.1:{port}/x"},
        "email": {"host": "127.0.0.1", "port": str(port), "sender": "w@example.com",
                  "to": "a@example.com", "tls": "no"},
    }  # fmt: skip
    return Target("oncall", name, options[name])


def send(notice: Notice, target: Target, out: Outgoing = OUT) -> None:
    CHANNELS[target.kind].send(notice, target, out)


@each
def test_a_channel_has_a_sentence_and_says_what_it_needs(name: str) -> None:
    assert CHANNELS[name].sentence.endswith(".")
    with pytest.raises(ChannelFailed, match="needs") as failed:
        send(NOTICE, Target("oncall", name))
    assert failed.value.permanent


@over_http
def test_a_message_arrives_whole(name: str, receiver: Receiver) -> None:
    send(NOTICE, target_of(name, receiver))
    ((_, _, body),) = receiver.got
    assert "34 %" in json.dumps(json.loads(body), ensure_ascii=False)


@over_http
@pytest.mark.parametrize(("status", "permanent"), STATUSES)
def test_faults_of_the_receiver_are_told_apart(
    name: str, status: int, permanent: bool, receiver: Receiver
) -> None:
    receiver.status = status
    with pytest.raises(ChannelFailed) as failed:
        send(NOTICE, target_of(name, receiver))
    assert failed.value.permanent is (permanent and name != "apprise")


@each
def test_nobody_there_is_worth_another_try(name: str) -> None:
    with Receiver() as gone:
        target = target_of(name, gone)
    with pytest.raises(ChannelFailed) as failed:
        send(NOTICE, target)
    assert not failed.value.permanent


@each
def test_a_private_address_is_refused_for_good(name: str, receiver: Receiver) -> None:
    with pytest.raises(ChannelFailed, match="not a public address") as failed:
        send(NOTICE, target_of(name, receiver), Outgoing())
    assert failed.value.permanent
    assert receiver.got == []


def test_a_webhook_is_signed_and_names_its_message(receiver: Receiver) -> None:
    send(NOTICE, target_of("webhook", receiver))
    ((path, headers, body),) = receiver.got
    assert path == "/hook"
    assert headers["Idempotency-Key"] == NOTICE.key == json.loads(body)["key"]
    assert re.fullmatch(r"sha256=[0-9a-f]{64}", headers["X-Waypost-Signature"])


def test_pagerduty_resolves_what_it_triggered(receiver: Receiver) -> None:
    for notice in (NOTICE, OVER):
        send(notice, target_of("pagerduty", receiver))
    first, second = (json.loads(body) for _, _, body in receiver.got)
    assert (first["event_action"], second["event_action"]) == ("trigger", "resolve")
    assert first["dedup_key"] == second["dedup_key"]


def test_alertmanager_gets_the_same_labels_twice_and_an_end(receiver: Receiver) -> None:
    for notice in (NOTICE, OVER):
        send(notice, target_of("alertmanager", receiver))
    (first,), (second,) = (json.loads(body) for _, _, body in receiver.got)
    assert receiver.got[0][0] == "/api/v2/alerts"
    assert first["labels"] == second["labels"]
    assert first["labels"]["cohort_model_name"] == "haiku"
    assert first["startsAt"] < second["endsAt"] == ENDED["resolved_at"] < first["endsAt"]


def test_alertmanager_knows_an_incident_again_that_has_grown(receiver: Receiver) -> None:
    wider = Notice("k", "waypost-incident-7", "still", {**MESSAGE, "where": {}})
    for notice in (NOTICE, wider):
        send(notice, target_of("alertmanager", receiver))
    (first,), (second,) = (json.loads(body) for _, _, body in receiver.got)
    assert first["labels"] == second["labels"]


def test_slack_does_not_read_markup_in_a_message(receiver: Receiver) -> None:
    send(NOTICE, target_of("slack", receiver))
    found = json.loads(receiver.got[0][2])
    assert "<!channel>" not in found["text"]
    texts = [b["text"] for b in found["blocks"] if "text" in b]
    marked = [t for t in texts if t["type"] == "mrkdwn"]
    assert [t["text"] for t in marked] == ["<https://waypost.example/t/aa?project=a&amp;b=1|run 1>"]
    assert marked[0]["verbatim"] is True
    assert any("<!here>" in t["text"] for t in texts if t["type"] == "plain_text")


def test_slack_takes_a_message_of_any_length(receiver: Receiver) -> None:
    long = {**MESSAGE, "title": "t" * 4000, "body": "b" * 9000}
    send(Notice("k", "t", "opened", long), target_of("slack", receiver))
    header, section, *_ = json.loads(receiver.got[0][2])["blocks"]
    assert len(header["text"]["text"]) == 150
    assert len(section["text"]["text"]) <= 3000


def test_pagerduty_gets_an_event_of_its_own_kind(receiver: Receiver) -> None:
    send(NOTICE, target_of("pagerduty", receiver))
    event = json.loads(receiver.got[0][2])
    assert set(event) == {"routing_key", "event_action", "dedup_key", "client", "payload", "links"}
    assert set(event["payload"]) >= {"summary", "source", "severity"}
    assert event["payload"]["severity"] in ("critical", "error", "warning", "info")
    assert [link["text"] for link in event["links"]] == ["Dashboard", "Run 1"]


def test_a_message_that_may_have_arrived_says_so_on_every_channel(receiver: Receiver) -> None:
    again = Notice(NOTICE.key, NOTICE.thread, "opened", MESSAGE, repeated=True)
    names = ("slack", "pagerduty", "alertmanager", "apprise")
    for name in names:
        send(again, target_of(name, receiver))
    assert all("Sent again" in body.decode() for _, _, body in receiver.got)


class Mailbox:
    """The smallest SMTP server: takes one mail, or refuses with a code."""

    def __init__(self, refuse: int | None = None) -> None:
        self.refuse, self.mail, self.port = refuse, "", 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Mailbox":
        self._thread.start()
        self._ready.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._talk, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        self._loop.run_until_complete(server.wait_closed())

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                writer.write(b"354 go on\r\n")
                self.mail = (await reader.readuntil(b"\r\n.\r\n")).decode()
                writer.write(b"250 taken\r\n")
            elif verb == b"RCPT" and self.refuse is not None:
                writer.write(f"{self.refuse} no\r\n".encode())
            else:
                writer.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 fine\r\n")
            if verb == b"QUIT":
                break
        writer.close()


def mail_target(box: Mailbox) -> Target:
    options = {"host": "127.0.0.1", "port": str(box.port), "tls": "no"}
    return Target(
        "oncall", "email", {**options, "sender": "waypost@example.com", "to": "a@example.com"}
    )


def test_a_mail_arrives_with_one_id_and_no_header_from_its_title() -> None:
    with Mailbox() as box:
        send(NOTICE, mail_target(box))
    head, _, _ = box.mail.partition("\r\n\r\n")
    assert f"Message-ID: <{NOTICE.key}@example.com>" in head
    assert "\r\nBcc:" not in head
    assert "Subject: Groundedness fails" in head


@pytest.mark.parametrize(("code", "permanent"), [(550, True), (451, False)])
def test_a_refused_mail_is_told_apart(code: int, permanent: bool) -> None:
    with Mailbox(refuse=code) as box, pytest.raises(ChannelFailed) as failed:
        send(NOTICE, mail_target(box))
    assert failed.value.permanent is permanent
