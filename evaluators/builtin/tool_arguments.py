"""A tool's arguments must fit its schema, and ids in them must come from somewhere."""

import re
from collections.abc import Iterable, Iterator, Mapping

from evaluators.actions import as_record, definition_of, name_words, tool_schema
from evaluators.evaluator import evaluator
from evaluators.ledger import EVIDENCE
from evaluators.schema import SchemaFault, schema_faults
from evaluators.surroundings import ALONE, Surroundings
from evaluators.text import as_text, leaves, quote
from waypost.errors import Unreadable
from waypost.records import Evidence, Json, Kind, Score, Step

IDENTIFIER = re.compile(r"[^\s@]+@[^\s@]+\.\w+|#?(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{5,64}|\d{5,}")
_ID_NAME = """
    account booking code contact customer email id ids invoice key mail number order payment
    phone product reference reservation serial sku ticket token transaction user uuid"""
ID_NAMES = frozenset(_ID_NAME.split())
_MINTED = "correlation idempotency nonce request span trace"
MINTED = frozenset(_MINTED.split())
GIVEN = ("user", "system", *sorted(EVIDENCE))
LEAST_SPELLED = 5
BETWEEN = r"[ \t\xa0.()/_+#-]{0,3}"
DATE_LIKE = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ][\d:.]+(?:Z|[+-]\d\d:?\d\d)?)?|\d{1,2}[:/.]\d\d(?:[:/.]\d{2,4})?\w*"
)


@evaluator(version=2, kinds=(Kind.TOOL,))
def tool_arguments(
    step: Step, around: Surroundings = ALONE, *, check_invented: bool = True
) -> Score:
    """Fail when arguments break the tool's schema or hold an id that nothing before mentions."""
    schema = tool_schema(definition_of(step.tool, around.tools(step)))
    if step.arguments is None and schema is None:
        return Score.abstained("neither arguments nor the tool's schema were recorded")
    if schema is not None:
        fault = _schema_fault(step, schema)
        if fault is not None:
            return fault
    invented = list(_invented(step, around, schema)) if check_invented else []
    if invented:
        return _made_up(step, invented)
    if schema is None and around.run is None:
        return Score.abstained("no schema and no context to check the values against")
    return Score.passed()


def _schema_fault(step: Step, schema: Mapping[str, Json]) -> Score | None:
    arguments = {} if step.arguments is None else _arguments(step)
    try:
        faults = schema_faults(arguments, schema, "arguments")
    except Unreadable as error:
        return Score.abstained(f"{step.tool}: {error}")
    extra = _unknown_names(arguments, schema)
    faults += [SchemaFault(f"arguments.{name}", f"{name!r} is no argument") for name in extra]
    if not faults:
        return None
    return Score.failed(
        f"{step.tool}: {'; '.join(f.message for f in faults[:3])}",
        label="schema",
        evidence=tuple(Evidence(step=step.id, where=f.path, note=f.message) for f in faults[:5]),
    )


def _arguments(step: Step) -> Json:
    """The arguments as a value; some agents record the text they were sent as."""
    record = as_record(step.arguments)
    return step.arguments if record is None else dict(record)


def _unknown_names(arguments: Json, schema: Mapping[str, Json]) -> list[str]:
    """Names the schema does not list; JSON schema allows them, a tool's function does not."""
    known = schema.get("properties")
    if not isinstance(arguments, dict) or not isinstance(known, dict) or not known:
        return []
    if schema.get("additionalProperties") or schema.get("patternProperties"):
        return []
    return [name for name in arguments if name not in known]


def _invented(
    step: Step, around: Surroundings, schema: Mapping[str, Json] | None
) -> Iterator[tuple[str, str]]:
    """Ids among the arguments that no user, tool, document or prompt had mentioned."""
    model = around.model_step(step)
    if around.run is None or model is None:
        return
    place = around.place(model)
    ledger = around.ledger
    schema_words = as_text(dict(schema)).lower() if schema else ""
    for path, value in leaves(_arguments(step)):
        text = as_text(value).strip()
        named = name_words(path)
        if isinstance(value, bool) or not ID_NAMES.intersection(named):
            continue
        if MINTED.intersection(named):
            continue
        if not IDENTIFIER.fullmatch(text) or DATE_LIKE.fullmatch(text):
            continue
        if text.lower() in schema_words or ledger.knows(text, place):
            continue
        if not _is_spelled(text, ledger.texts(place, GIVEN)):
            yield path, text


def _is_spelled(value: str, texts: Iterable[str]) -> bool:
    """Whether a value was given in groups, with or without the separators it has here."""
    letters = [c for c in value.lower() if c.isalnum()]
    if len(letters) < LEAST_SPELLED:
        return False
    spelled = re.compile(
        rf"(?<![^\W_]){BETWEEN.join(map(re.escape, letters))}(?![^\W_])", re.IGNORECASE
    )
    return any(spelled.search(text) for text in texts)


def _made_up(step: Step, invented: list[tuple[str, str]]) -> Score:
    path, value = invented[0]
    return Score.failed(
        f"{step.tool} {path}: {quote(value, 80)} appears nowhere before this call",
        label="invented",
        value=0.1,
        evidence=tuple(
            Evidence(step=step.id, where=f"arguments.{p}", quote=quote(v)) for p, v in invented[:5]
        ),
    )
