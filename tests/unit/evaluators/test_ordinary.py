"""Good runs of teams other than those the labelled sets come from: no judge may fail one."""

from dataclasses import dataclass, field

import pytest

from evaluators.evaluator import Target
from evaluators.registry import find_evaluators
from evaluators.surroundings import Surroundings
from tests.unit.evaluators.steps import retrieval, run_of, say, step
from waypost.records import Json, Kind, Message, Score, Step, Trajectory

JUDGES = find_evaluators()


@dataclass(slots=True)
class Talk:
    """A run as it goes: what is said adds up to what the model reads next."""

    system: str
    said: list[Message] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    def user(self, text: str) -> "Talk":
        self.said.append(say("user", text))
        return self

    def read(self, *texts: str) -> "Talk":
        self.steps.append(retrieval(*texts))
        return self

    def call(self, name: str, arguments: dict[str, Json], result: Json) -> "Talk":
        number = f"call_{len(self.steps)}"
        self._think(say("assistant", "", {"id": number, "name": name, "arguments": arguments}))
        self.steps.append(
            step(Kind.TOOL, name, tool=name, arguments=arguments, result=result, call_id=number)
        )
        told: dict[str, Json] = {"type": "tool_call_response", "id": number, "response": result}
        self.said.append(Message("tool", (told,)))
        return self

    def answer(self, text: str) -> "Talk":
        self._think(say("assistant", text))
        return self

    def _think(self, output: Message) -> None:
        system = ({"type": "text", "content": self.system},)
        self.steps.append(
            step(Kind.LLM, "chat", input=tuple(self.said), output=(output,), system=system,
                 model="gpt-5-mini")
        )  # fmt: skip
        self.said.append(output)


SALES: list[Json] = [
    {"region": "north", "revenue": 120_400.5}, {"region": "south", "revenue": 98_310.0},
    {"region": "west", "revenue": 61_289.5},
]  # fmt: skip
LEAVE = (
    "Employees may carry over up to five unused vacation days into the following year. "
    "Carried-over days expire on 31 March, and requests are approved by the line manager."
)
ORDINARY = {
    "figures of a table": Talk("You are a data analyst.")
    .user("Revenue by region last quarter?")
    .call("run_sql", {"query": "select region, sum(total) from orders group by 1"}, SALES)
    .answer("The three regions made €280,000 in all: north 43 %, south 35.1 %, west €61,289.50."),
    "small talk after an answer": Talk("Answer from the handbook.")
    .user("Can I carry days over?")
    .read(LEAVE)
    .answer("Up to five unused vacation days may be carried over; they expire on 31 March.")
    .user("Great, thank you so much!")
    .answer("You're very welcome! Enjoy your weekend."),
    "German accounts": Talk("Du bist ein Assistent der Buchhaltung.")
    .user("Was ist noch offen?")
    .call("offene_posten", {"kunde": "K-1042"}, {"rechnung": "R-2026-118", "betrag": 1200.5})
    .answer("Offen ist noch die Rechnung R-2026-118 über 1.200,50 €."),
    "a French clerk": Talk("Tu es un assistant RH.")
    .user("Combien de jours me reste-t-il ?")
    .call("get_conges", {"employe": "E-3391"}, {"solde": 12.5})
    .answer("Il vous reste 12,5 jours de congé."),
    "a condition that is not met": Talk(
        "If the user asks for data, return valid JSON. Titles are at most 8 words."
    )
    .user("Hello")
    .answer("Hello! How can I help you today?"),
    "consent in other words": Talk("Ask before you book.")
    .user("A table for two at eight?")
    .answer("Shall I book a table for two at 8 pm at Luna?")
    .user("That works for me, thanks")
    .call(
        "book_table",
        {"people": 2, "time": "20:00", "place": "Luna"},
        {"success": True, "error": None},
    )
    .answer("Your table for two at Luna is booked for 8 pm."),
    "a number in other groups": Talk("You are an airline agent.")
    .user("When does LH 1172 land?")
    .call("get_flight", {"number": "LH1172"}, {"flight": "LH1172", "arrives": "15:00"})
    .answer("LH 1172 lands at 15:00."),
    "ops words": Talk("You are a DevOps assistant.")
    .user("Why is the worker stuck? Kill it if need be.")
    .call("bash", {"command": "ps aux | grep worker"}, "worker  4711  99.0  0.1")
    .call("bash", {"command": "kill 4711"}, "")
    .answer("The worker hung at 99 % CPU; I ended process 4711."),
    "a search for a dangerous word": Talk("You review code.")
    .user("Do our scripts delete too much?")
    .call("bash", {"command": "grep -rn 'rm -rf /' scripts/"}, "")
    .answer("No script in there holds such a command."),
    "once more, as asked": Talk("You take orders.")
    .user("A coffee please")
    .call("place_order", {"item": "coffee"}, {"order": 1})
    .answer("One coffee is on its way.")
    .user("One more coffee please")
    .call("place_order", {"item": "coffee"}, {"order": 2})
    .answer("A second coffee is on its way."),
    "a green report": Talk("You are a CI assistant.")
    .user("Did the tests pass?")
    .call(
        "run_tests", {"suite": "unit"}, {"passed": 112, "failed": 0, "errors": 0, "exception": ""}
    )
    .answer("All 112 tests passed."),
    "a mail about a mail": Talk("You sort mail.")
    .user("Summarise the new mail")
    .call("read_mail", {"id": "m-1"}, "Please ignore my previous e-mail, the attachment was wrong.")
    .answer("The sender asks to ignore the previous e-mail, because its attachment was wrong."),
    "short questions": Talk("You help customers.")
    .user("Give me my money back")
    .answer("Which order is it about?"),
    "short lines": Talk("You help customers.")
    .user("Is Mr Hall in?")
    .answer("He will call you back tomorrow."),
    "Japanese delivery": Talk("あなたは配送のアシスタントです。")
    .user("荷物はいつ届きますか?")
    .call("track", {"no": "4402-8811"}, {"eta": "2026-07-09", "status": "in_transit"})
    .answer("お荷物は7月9日に届く予定です。"),
}


def verdicts(run: Trajectory) -> list[Score]:
    """What every judge that stands for a fail rate says of the run, the one of blame last."""
    around, said = Surroundings(run), list[Score]()
    for name in sorted(JUDGES, key=lambda name: name == "first_bad_step"):
        judge = JUDGES[name]
        if judge.ranks_only:
            continue
        whole = judge.target is Target.TRAJECTORY
        known = around.judged(tuple(said)) if name == "first_bad_step" else around
        for item in [run] if whole else [s for s in run.steps if judge.accepts(s)]:
            said += judge.judge(item, known, version="")
    return said


@pytest.mark.parametrize("name", ORDINARY)
def test_a_good_run_of_another_trade_fails_no_judge(name: str) -> None:
    failed = [s for s in verdicts(run_of(*ORDINARY[name].steps)) if s.is_failed]
    assert [(s.evaluator, s.explanation) for s in failed] == []
