"""The how-to pages say what is true: their code runs and their files are accepted."""

import re
import tomllib

from evaluators.config import parse_config
from evaluators.evaluator import Evaluator
from evaluators.registry import find_evaluators
from tests.shared import ROOT

HOW_TO = ROOT / "docs" / "how-to"


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (HOW_TO / page).read_text("utf-8"), re.DOTALL)


def test_the_evaluator_of_the_page_works() -> None:
    space: dict[str, object] = {}
    for code in blocks("write-an-evaluator.md", "python"):
        exec(code, space)
    check = space["test_an_answer_must_name_the_order"]
    assert callable(check)
    check()
    mine = space["names_the_order"]
    assert isinstance(mine, Evaluator)
    known = {**find_evaluators(), mine.name: mine}
    for text in blocks("write-an-evaluator.md", "toml"):
        parse_config(tomllib.loads(text), known)


def test_the_policy_of_the_page_is_accepted() -> None:
    (text,) = blocks("write-a-policy.md", "toml")
    found = parse_config(tomllib.loads(text), find_evaluators())
    assert len(found.policies["refunds"].rules) == 4
