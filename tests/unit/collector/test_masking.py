"""Masking: what must not be kept is gone from every field, and equal things stay equal."""

import pytest

from collector.convention import Reader
from collector.masking import Masker
from collector.packing import Parcel, pack, unpack
from tests.samples import conventions, sample, traces_of
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
