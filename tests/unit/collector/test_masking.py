"""Masking: what must not be kept is gone from every field, and equal things stay equal."""

from typing import get_type_hints

import pytest

from collector.convention import Reader
from collector.masking import Masker
from collector.packing import Parcel, pack, unpack
from tests.samples import conventions, sample, spans_of, traces_of
from waypost.records import (
    Content,
    Document,
    Fault,
    Feedback,
    Json,
    Memory,
    Message,
    RawSpan,
    Reading,
    Step,
)

KEY = "sk-proj-" + "Ab1" * 16
MAIL = "jane.doe@example.org"


def masker(level: str = "standard") -> Masker:
    return Masker(level, key=b"k" * 32)


def reading(**attributes: Json) -> Reading:
    span = RawSpan("1" * 32, "2" * 16, None, "x", 1, 2, attributes=attributes)
    return Reader().read(span)


def test_a_card_is_masked_as_a_whole_number_and_as_a_float() -> None:
    card = 4_111_111_111_111_111
    found = reading(whole=card, real=float(card), listed=[float(card)], harmless=float("inf"))
    masked = masker().reading(found).step.attributes
    assert {**masked} == {
        "whole": "[CARD]", "real": "[CARD]", "listed": ["[CARD]"], "harmless": float("inf"),
    }  # fmt: skip


@pytest.mark.parametrize("name", [MAIL, f"of {MAIL}", KEY, f"{'a' * 70} {MAIL}"])
def test_names_of_attributes_are_masked_whatever_they_hold(name: str) -> None:
    masked = masker().reading(reading(**{name: f"mail {MAIL}", "other": "x"})).step
    again = masker().reading(reading(**{name: "x", "other": "x"})).step
    assert MAIL not in repr(masked) + repr(again)
    assert KEY not in repr(masked) + repr(again)
    assert masked.attributes["other"] == "x"


def test_a_note_does_not_tell_the_name_of_an_attribute_that_is_masked() -> None:
    notes = (f"shortened:of {MAIL}=900", f"truncated:{MAIL}", "shortened:api_key=77", "repaired=2")
    masked = masker().reading(Reading(reading().step.replace(notes=notes))).step
    assert masked.notes == (
        "shortened:of [EMAIL]=900", "truncated:[EMAIL]", "shortened:api_key=77", "repaired=2",
    )  # fmt: skip


def test_who_speaks_and_which_document_it_was_are_masked() -> None:
    message = Message("user", ({"type": "text", "content": "hi", "name": MAIL},), {"name": MAIL})
    step = reading().step.replace(input=(message,), documents=(Document("x", f"of {MAIL}"),))
    assert MAIL not in repr(masker().reading(Reading(step)))


def test_a_planted_secret_is_gone_from_every_field() -> None:
    attributes: dict[str, Json] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.input.messages": f'[{{"role": "user", "content": "key {KEY}"}}]',
        "gen_ai.system_instructions": f"never tell {KEY}",
        "gen_ai.tool.definitions": f'[{{"name": "t", "description": "{KEY}"}}]',
        "note": f"api {KEY}",
        "session.id": f"s {KEY}",
        "authorization": "Bearer " + "q" * 40,
        "nested": {"deep": [f"{KEY}"]},
    }
    found = reading(**attributes)
    step = found.step.replace(
        arguments={"a": {"password": "hunter22"}}, result=f"got {KEY}", query=KEY,
        documents=(Document(f"doc {KEY}", "1", 0.5, {"source": KEY}),),
        error=Fault("E", f"failed with {KEY}", f"trace {KEY}"),
        memory=Memory("search", query=KEY, records=({"content": KEY},)),
    )  # fmt: skip
    masked = masker().reading(Reading(step)).step
    whole = repr(masked)
    assert KEY not in whole
    assert "hunter22" not in whole
    assert "q" * 40 not in whole
    assert any(n.startswith("redacted:API_KEY=") for n in masked.notes)


def texts_of() -> list[str]:
    """The fields of a step that hold a text of the sender's; ids of spans are sixteen digits."""
    own = {"trace_id", "span_id", "parent_id", "convention", "arguments_from", "cost_source"}
    hints = get_type_hints(Step)
    return [n for n, hint in hints.items() if hint in (str, str | None) and n not in own]


def test_names_and_ids_of_every_kind_are_masked_and_ids_still_join() -> None:
    step = reading().step
    names = texts_of()
    assert {"tool", "model", "route", "prompt_version", "call_id", "trajectory_id"} <= set(names)
    call = Message("assistant", ({"type": "tool_call", "id": f"call {KEY}", "name": "t"},))
    secret = step.replace(
        **dict.fromkeys(names, f"call {KEY}"), fallbacks=(KEY,), output=(call,), notes=()
    )
    masked = masker().reading(Reading(secret)).step
    assert KEY not in repr(masked)
    assert masked.call_id == masked.output[0].parts[0]["id"]
    other = masker().reading(Reading(secret.replace(call_id=f"call {KEY}x"))).step
    assert other.call_id != masked.call_id


@pytest.mark.parametrize("level", ["standard", "strict"])
def test_names_and_ids_of_real_clients_stay_as_they_are(level: str) -> None:
    reader, mask, seen = Reader(), masker(level), 0
    kept = [n for n in texts_of() if n not in {"session", "user", "query", "name"}]
    for name in conventions():
        for span in spans_of(name):
            step = reader.read(span).step
            masked = mask.reading(Reading(step)).step
            assert [getattr(masked, n) for n in kept] == [getattr(step, n) for n in kept]
            seen += 1
    assert seen > 300


def test_contents_and_verdicts_are_masked_too() -> None:
    message = Message("user", ({"type": "text", "content": f"mail {MAIL}"},))
    content = masker().content(Content("1", "2", 3, "input", message))
    verdict = masker().feedback(Feedback("n", "step", explanation=f"says {MAIL}", by=MAIL))
    assert MAIL not in repr(content) + repr(verdict)


def test_personal_ids_become_hashes_that_still_join() -> None:
    one, two = masker(), masker()
    steps = [m.reading(reading(**{"user.id": MAIL})).step for m in (one, two)]
    assert steps[0].user == steps[1].user
    assert MAIL not in str(steps[0].user)
    assert steps[0].user != masker().reading(reading(**{"user.id": "a@b.org"})).step.user


def test_off_leaves_everything_as_it_is() -> None:
    found = reading(note=KEY)
    assert masker("off").reading(found) is found


@pytest.mark.parametrize("convention", conventions())
def test_clean_spans_stay_as_they_are_and_survive_the_spool(convention: str) -> None:
    scenario = "s1_order_refund"
    for name in ("s1_order_refund", "s5_eval_events", "s6_pending", "s7_feedback",
                 "s8_evaluation_events"):  # fmt: skip
        try:
            traces = traces_of(convention, name)
        except KeyError:
            continue
        scenario = name
        found = sample(convention, traces)
        parcel = Parcel(3, found.readings, found.contents, found.feedback)
        assert unpack(pack(parcel)) == parcel
        once = [masker().reading(r) for r in found.readings]
        assert [masker().reading(r).step.input for r in once] == [r.step.input for r in once]
    assert scenario


def test_equal_messages_stay_one_object_after_masking() -> None:
    text = f'[{{"role": "user", "content": "mail {MAIL}"}}]'
    reader, cover = Reader(), masker()
    span = RawSpan("1" * 32, "2" * 16, None, "x", 1, 2, attributes={
        "gen_ai.operation.name": "chat", "gen_ai.input.messages": text,
    })  # fmt: skip
    first, second = (cover.reading(reader.read(span)).step.input for _ in range(2))
    assert first[0] is second[0]
    assert MAIL not in first[0].text
