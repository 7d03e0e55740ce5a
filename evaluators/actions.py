"""What a tool call did: whether it changed the world, whether it failed, what it was offered."""

import re
from collections.abc import Iterable, Mapping

import orjson

from evaluators.text import as_text
from waypost.records import Json, Status, Step

_WRITE_VERB = """
    accept add approve archive assign book buy cancel charge checkout close commit confirm
    create delete deploy disable dispatch drop edit enable exchange execute grant insert install
    invite issue kill lock merge modify move open order pay place post publish purchase push put
    rebook refund register reject release remove rename replace reply reset restart return revoke
    run schedule send set ship sign start stop submit suspend terminate toggle transfer turn
    uninstall unlock update upgrade upload withdraw write"""
WRITE_VERBS = frozenset(_WRITE_VERB.split())
_READ_VERB = """
    are browse calculate can check compute count describe fetch find get has inspect is list load
    look lookup open preview query read retrieve scan search select show status summarize think
    validate verify view visit"""
READ_VERBS = frozenset(_READ_VERB.split())
_TEXTS = "browse grep preview read scan search show tail view visit"
TEXTS = frozenset(_TEXTS.split())
VERBS = WRITE_VERBS | READ_VERBS | TEXTS
_CONSOLE = "bash code command console exec interpreter notebook python script shell terminal"
CONSOLE = frozenset(_CONSOLE.split())
ERROR_START = re.compile(
    r"\s*(?:\W{0,3})(?:error|exception|traceback|failed|failure|fatal|invalid|unauthorized"
    r"|forbidden|not found|permission denied|timed? ?out|command not found|exit(?:ed)?"
    r"(?: ?code|:)\s*:?\s*[1-9])",
    re.IGNORECASE,
)
NO_SUCH_TOOL = re.compile(r"\W{0,3}\S+ is not an? (?:valid|known|available) (?:tool|function)\b")
ERROR_KEYS = ("error", "errors", "exception", "isError", "is_error")
SUCCESS_KEYS = ("success", "succeeded", "is_success", "isSuccess", "ok")
HTTP_KEYS = ("status", "status_code", "statusCode", "http_status")
QUOTED_KEYS = tuple(f'"{key}"' for key in (*ERROR_KEYS, *SUCCESS_KEYS))
HTTP_ERROR = re.compile(r'"(?:http_)?status(?:_code|Code)?"\s*:\s*[45]\d\d\b')
RECORD_START = re.compile(r"\s*\{")
LONGEST_RECORD = 100_000


def has_failed(step: Step) -> bool:
    """Whether a tool step ended in an error, by its status or by what it returned."""
    if step.status in (Status.ERROR, Status.BLOCKED) or step.error is not None:
        return True
    return is_error_result(step.result, quoted=gives_texts(step))


def gives_texts(step: Step) -> bool:
    """Whether a tool shows what somebody else wrote: that may begin with any word, error too."""
    first = next((w for w in name_words(step.tool or "") if w in VERBS), "")
    return first in TEXTS and not is_console(step)


def is_error_result(result: Json, *, quoted: bool = False) -> bool:
    """Whether a tool's answer says that the call did not work; a `quoted` text says nothing."""
    record = as_record(result) if _may_tell(result) else None
    if record is not None:
        return (
            any(record.get(key) for key in ERROR_KEYS)
            or any(record.get(key) is False for key in SUCCESS_KEYS)
            or any(_is_http_error(record.get(key)) for key in HTTP_KEYS)
        )
    text = as_text(result)[:200]
    return bool(NO_SUCH_TOOL.match(text) or (ERROR_START.match(text) and not quoted))


def _may_tell(result: Json) -> bool:
    """Most records in texts are long and say nothing of errors: reading them costs more."""
    if not isinstance(result, str):
        return True
    return any(key in result for key in QUOTED_KEYS) or bool(HTTP_ERROR.search(result))


def as_record(value: Json) -> Mapping[str, Json] | None:
    """The JSON object that a result or the arguments are, or are the text of."""
    if isinstance(value, dict):
        return value
    if not isinstance(value, str) or len(value) > LONGEST_RECORD or not RECORD_START.match(value):
        return None
    try:
        found = orjson.loads(value)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _is_http_error(value: Json) -> bool:
    return isinstance(value, int) and 400 <= value < 600


def name_words(name: str) -> list[str]:
    """A tool's name as words: `refundOrder`, `refund_order` and `refund-order` are alike."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return [w.lower() for w in re.split(r"[\W_]+", spaced) if w]


def is_console(step: Step) -> bool:
    """Whether a tool runs commands or code: what it prints is no source to quote from."""
    return not CONSOLE.isdisjoint(name_words(step.tool or ""))


def changes_world(step: Step, definitions: Iterable[Mapping[str, Json]] = ()) -> bool:
    """Whether a tool call has a side effect: by its declared hints, else by its verb."""
    hints = tool_hints(definition_of(step.tool, definitions))
    if hints.get("readOnlyHint") is not None:
        return not hints["readOnlyHint"]
    verbs = name_words(step.tool or "")
    first = next((w for w in verbs if w in WRITE_VERBS or w in READ_VERBS), "")
    return first in WRITE_VERBS and first not in ("open", "run", "execute")


def definition_of(
    tool: str | None, definitions: Iterable[Mapping[str, Json]]
) -> Mapping[str, Json] | None:
    """The definition of a tool, whether it is flat or wrapped as `{"function": …}`."""
    for definition in definitions:
        inner = definition.get("function")
        flat = inner if isinstance(inner, dict) else definition
        if tool is not None and flat.get("name") == tool:
            return flat
    return None


def tool_names(definitions: Iterable[Mapping[str, Json]]) -> tuple[str, ...]:
    """The names of the tools that were offered."""
    found = []
    for definition in definitions:
        inner = definition.get("function")
        name = (inner if isinstance(inner, dict) else definition).get("name")
        if isinstance(name, str):
            found.append(name)
    return tuple(found)


def tool_hints(definition: Mapping[str, Json] | None) -> Mapping[str, Json]:
    hints = (definition or {}).get("annotations")
    return hints if isinstance(hints, dict) else {}


def tool_schema(definition: Mapping[str, Json] | None) -> Mapping[str, Json] | None:
    """The schema of a tool's arguments, under any of the names in use."""
    for key in ("parameters", "input_schema", "inputSchema", "args_schema"):
        schema = (definition or {}).get(key)
        if isinstance(schema, dict):
            return schema
    return None
