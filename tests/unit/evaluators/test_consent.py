"""What counts as a user's consent, and which words of an answer are a policy's phrase."""

import pytest

from evaluators.consent import OTHER_NO, OTHER_YES, WORDS, consents
from evaluators.language import NAMES
from evaluators.policy import Policy, Rule, RuleKind
from tests.unit.evaluators.steps import model, tool
from tests.unit.evaluators.test_builtin import on_last
from waypost.records import Outcome


@pytest.mark.parametrize(
    "text",
    [
        "Yes please",
        "go for it",
        "👍",
        "That works for me, thanks",
        "Everything looks correct.",
        "Yes, but don't send me an e-mail about it",
        "no problem, go ahead",
        "No, that's wrong... ah, I see. Yes, go ahead.",
        "Correct. No other changes.",
        "Yes. I'm not sure what the number was, though.",
        "Great, could you please go ahead with it?",
        "Yes could you do that?",
        "Ja, bitte",
        "Sí, adelante",
        "Oui, allez-y",
        "Да, конечно",
        "はい、お願いします",
        "好的，请继续",
        "네, 부탁해요",
        "نعم، من فضلك",
    ],
)
def test_a_user_who_agrees_has_consented(text: str) -> None:
    assert consents(text) is True


@pytest.mark.parametrize(
    "text",
    [
        "What would it cost?",
        "Not sure, let me think about it",
        "yes... actually no, stop",
        "Ok, wait.",
        "I do not agree.",
        "Please don't proceed.",
        "I can't confirm that",
        "I would like to know whether it is okay for business customers",
        "Is it okay to do it later?",
        "I'm sure that I booked it this morning",
        "👎",
        "Nein, danke",
        "No quiero eso",
        "Non, merci",
        "いいえ、結構です",
        "不可以",
    ],
)
def test_a_refusal_a_doubt_and_a_question_are_no_consent(text: str) -> None:
    assert consents(text) is False


@pytest.mark.parametrize("text", ["Ano, prosím", "დიახ", "$20"])
def test_a_language_that_is_not_known_is_not_guessed_at(text: str) -> None:
    assert consents(text) is None


def test_every_language_we_can_tell_has_its_words_for_yes_and_no() -> None:
    unspaced = {"chinese", "mandarin", "japanese", "thai"}
    assert NAMES - set(WORDS) == unspaced | {"english", "farsi"}
    for yes, no in WORDS.values():
        assert all(OTHER_YES.match(word.replace("_", " ")) for word in yes.split())
        assert all(OTHER_NO.match(word.replace("_", " ")) for word in no.split())


def judged(said: str) -> Outcome:
    policy = Policy("p", "1", rules=(Rule("ask", RuleKind.CONFIRM, tools=("refund",)),))
    return on_last("is_compliant", model("", asked=said), tool("refund"), policy=policy).outcome


def test_is_compliant_abstains_when_it_cannot_read_the_user() -> None:
    assert judged("Ano, prosím") is Outcome.ABSTAINED
    assert judged("Ja, bitte") is Outcome.PASSED
    assert judged("yes... actually no, stop") is Outcome.FAILED


@pytest.mark.parametrize(
    ("phrase", "answer", "says"),
    [
        ("cure", "Your data is secure and obscure.", False),
        ("cure", "This will CURE it.", True),
        ("5 days", "It takes 15 days.", False),
        ("保証", "結果を保証します。", True),
    ],
)
def test_a_phrase_of_a_policy_is_whole_words(phrase: str, answer: str, says: bool) -> None:
    for kind in (RuleKind.FORBIDDEN_PHRASES, RuleKind.REQUIRED_PHRASES):
        policy = Policy("p", "1", rules=(Rule("r", kind, phrases=(phrase,)),))
        failed = on_last("is_compliant", model(answer), policy=policy).is_failed
        assert failed is (says if kind is RuleKind.FORBIDDEN_PHRASES else not says)
