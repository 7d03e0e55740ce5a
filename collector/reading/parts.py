"""The pieces of a message, from every shape vendors give them, in the GenAI shape."""

import re
from collections.abc import Callable, Mapping, Set
from typing import Final

from collector.reading.values import as_text, opened, parsed
from waypost.records import Json

Part = dict[str, Json]
# Before `id`, which in the items of Responses is the item's own and answers to nothing.
_CALL_IDS: Final = ("call_id", "tool_call_id", "toolCallId", "tool_use_id")
_TEXT_NAMES: Final = frozenset({"type", "content"})
_CALL_NAMES: Final = frozenset({"type", "id", "name", "arguments"})
_BLOCKS: Final = ("tool_use", "function_call", "thinking", "reasoning")
_HIDDEN: Final = re.compile(rf'"type"\s*:\s*"(?:{"|".join(_BLOCKS)})"')
_RESPONSE_NAMES: Final = frozenset({"type", "id", "response"})
_AROUND_TEXT: Final = frozenset(
    {"type", "text", "content", "id", "index", "annotations", "citations", "cache_control",
     "meta", "_meta"}
)  # fmt: skip
_HEAD: Final = 512
_HELD: Final[Mapping[str, tuple[Set[str], ...]]] = {
    "text": ({"text"}, {"content"}), "input_text": ({"text"},), "output_text": ({"text"},),
    "refusal": ({"refusal"},), "thinking": ({"thinking"},),
    "reasoning": ({"summary"}, {"reasoning"}, {"reasoning_content"}),
    "tool_use": ({"id", "name", "input"},), "tool_result": ({"tool_use_id"},),
    "tool_call": ({"id", "name"},), "tool_call_response": ({"id", "response"},),
    "function_call": ({"call_id", "name"},), "function_call_output": ({"call_id", "output"},),
    "image": ({"source"},), "image_url": ({"image_url"},), "input_image": ({"image_url"},),
    "input_audio": ({"input_audio"},), "file": ({"file"},), "input_file": ({"file_id"},),
}  # fmt: skip


def text_part(content: str) -> Part:
    return {"type": "text", "content": content}


def call_part(call_id: Json, name: Json, arguments: Json) -> Part:
    """A call the model asks for; arguments that are JSON text become the object they hold."""
    part: Part = {"type": "tool_call", "name": as_text(name) or ""}
    if found := as_text(call_id):
        part["id"] = found
    value = opened(arguments) if arguments != "" else {}  # so a stream ends that brought none
    part["arguments"] = value if isinstance(value, dict) else arguments
    return part


def response_part(call_id: Json, response: Json, *, failed: bool = False) -> Part:
    part: Part = {"type": "tool_call_response", "response": _only_text(response)}
    if found := as_text(call_id):
        part["id"] = found
    if failed:
        part["status"] = "error"
    return part


def _only_text(response: Json) -> Json:
    """The text of an answer that is a list of nothing but texts, as Anthropic gives it."""
    value = response
    if isinstance(response, str):
        may_be = response.startswith("[{") and '"text"' in response[:_HEAD]
        value = parsed(response) if may_be else response
    if not isinstance(value, list) or not value:
        return response
    bare = value is response or len(value) == 1
    texts = [
        block.get("text", block.get("content"))
        for block in value
        if isinstance(block, dict) and _is_text(block, bare=bare)
    ]
    found = [text for text in texts if isinstance(text, str)]
    return "\n".join(found) if len(found) == len(value) else response


def _is_text(block: Mapping[str, Json], *, bare: bool) -> bool:
    """Whether a block holds a text and no more; rows of a tool's own may have a text as well."""
    if block.get("type") == "text":
        return block.keys() <= _AROUND_TEXT
    return bare and block.keys() == {"text"}


def has_failed(answer: Mapping[str, Json]) -> bool:
    """Whether an envelope says of the tool's answer in it that it is an error."""
    return (
        answer.get("status") == "error"
        or answer.get("is_error") is True
        or answer.get("isError") is True
    )


def is_plain_parts(parts: list[Json]) -> bool:
    """Whether these are parts already, just as `parts_of` would make them."""
    return all(isinstance(p, dict) and _is_plain(p) for p in parts)


def _is_plain(part: Mapping[str, Json]) -> bool:
    names = part.keys()
    match part.get("type"):
        case "text":
            content = part.get("content")
            return names == _TEXT_NAMES and isinstance(content, str) and not _may_hide(content)
        case "tool_call":
            return (
                names == _CALL_NAMES
                and _is_bare(part["id"])
                and _is_bare(part["name"])
                and isinstance(part["arguments"], dict)
            )
        case "tool_call_response":
            return (
                names == _RESPONSE_NAMES
                and _is_bare(part["id"])
                and isinstance(part["response"], str)
            )
        case _:
            return False


def parts_in(text: str) -> list[Part]:
    """The parts in a text that is the JSON of a list of blocks, else the text as one."""
    value = parsed(text) if text.startswith("[{") else None
    if isinstance(value, list) and all(isinstance(b, dict) and _is_block(b) for b in value):
        return parts_of(value)
    return [text_part(text)]


def _is_block(value: Mapping[str, Json]) -> bool:
    """Whether it has what the makers' blocks of its type have, and is nobody's own object."""
    kind = value.get("type")
    held = _HELD.get(kind, ()) if isinstance(kind, str) else ()
    return any(names <= value.keys() for names in held)


def _may_hide(text: str) -> bool:
    return text.startswith("{") and _HIDDEN.search(text) is not None


def opened_parts(parts: list[Part]) -> list[Part]:
    """The parts of what a model said, with the blocks of its API that stand in texts as JSON.

    OpenLLMetry writes so what LangChain has in its content; the calls it also lists apart.
    """
    listed = {p.get("id") for p in parts if p["type"] == "tool_call"}
    found: list[Part] = []
    for part in parts:
        block = _hidden_in(part)
        if block is None:
            found.append(part)
        else:
            inner = _parts_of_block(block)
            found += [p for p in inner if p["type"] != "tool_call" or p.get("id") not in listed]
    return found


def _hidden_in(part: Part) -> Json:
    content = part.get("content")
    if part["type"] != "text" or not isinstance(content, str) or not _may_hide(content):
        return None
    value = parsed(content)
    if not isinstance(value, dict) or value.get("type") not in _BLOCKS:
        return None
    return value if _is_block(value) else None


def _is_bare(value: Json) -> bool:
    """Whether `as_text` gives the value itself."""
    return isinstance(value, str) and as_text(value) is value


def parts_of(content: Json) -> list[Part]:
    """The parts of a message's content, whatever shape it has."""
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [text_part(content)]
    if isinstance(content, list):
        return [part for block in content for part in _parts_of_block(block)]
    return _parts_of_block(content)


def _parts_of_block(block: Json) -> list[Part]:
    if isinstance(block, str):
        return [text_part(block)] if block else []
    if isinstance(block, list):
        return [{"type": "unknown", "content": block}]
    if not isinstance(block, dict):
        return [] if block is None else [text_part(str(block))]
    kind = block.get("type")
    build = _BUILDERS.get(kind) if isinstance(kind, str) else None
    if build is not None:
        return [build(block)]
    if isinstance(kind, str) and kind:
        return [{k: v for k, v in block.items() if v is not None}]
    return _untyped(block)


def _untyped(block: Mapping[str, Json]) -> list[Part]:
    """The blocks of Bedrock, Strands and Gemini, which say by their key what they are."""
    found: list[Part] = []
    for key, build in _BY_KEY.items():
        inner = block.get(key)
        if inner is not None:
            found.append(build(inner, block))
    if not found and "tool_name" in block and isinstance(block.get("arguments"), dict):
        return [_haystack_call(dict(block), block)]
    if not found and isinstance(block.get("origin"), dict) and "result" in block:
        return [_haystack_result(dict(block), block)]
    return found or [{"type": "unknown", **block}]


def _text(block: Mapping[str, Json]) -> Part:
    content = _first(block, "content", "text", "refusal")
    return text_part(content if isinstance(content, str) else as_text(content) or "")


def _call(block: Mapping[str, Json]) -> Part:
    function = block.get("function")
    inner = function if isinstance(function, dict) else block
    call_id = _first(block, *_CALL_IDS, "id")
    name = _first(inner, "name", "toolName")
    return call_part(call_id, name, _first(inner, "arguments", "args", "input"))


def _response(block: Mapping[str, Json]) -> Part:
    call_id = _first(block, *_CALL_IDS, "id")
    given, failed = _first(block, "response", "result", "output", "content"), has_failed(block)
    if isinstance(given, dict) and set(given) == {"type", "value"}:  # Vercel's
        return response_part(
            call_id, given["value"], failed=failed or str(given["type"]).startswith("error")
        )
    return response_part(call_id, given, failed=failed)


def _reasoning(block: Mapping[str, Json]) -> Part:
    content = _first(block, "content", "thinking", "reasoning", "text", "summary")
    if isinstance(content, dict):
        return _bedrock_reasoning(content, block)
    summary = parsed(content)
    if isinstance(summary, list) and all(isinstance(b, dict) for b in summary):
        texts = [_text(b)["content"] for b in summary if isinstance(b, dict)]
        content = "\n".join(t for t in texts if isinstance(t, str))
    return {"type": "reasoning", "content": content if isinstance(content, str) else ""}


def _image(block: Mapping[str, Json]) -> Part:
    inner = _first(block, "image_url", "source", "image", "input_audio", "data", "url")
    if isinstance(inner, dict):
        url = _first(inner, "url")
        data = _first(inner, "data", "bytes")
        mime = _first(inner, "media_type", "mime_type", "format")
    else:
        url, data, mime = inner, None, _first(block, "mediaType", "mime_type", "media_type")
    return media_part(str(block.get("type") or "image"), url, data, mime)


def _uri(block: Mapping[str, Json]) -> Part:
    """A reference, unless what it refers to stands in it."""
    uri = block.get("uri")
    if isinstance(uri, str) and uri.startswith("data:"):
        return media_part(str(block.get("modality") or ""), uri, None, block.get("mime_type"))
    return {k: v for k, v in block.items() if v is not None}


def media_part(kind: str, url: Json, data: Json, mime: Json) -> Part:
    """A blob or a uri; a data URL is a blob."""
    modality = next((m for m in ("audio", "video", "image") if m in kind), "image")
    part: Part = {"modality": modality}
    if isinstance(url, str) and url.startswith("data:") and "," in url:
        head, data = url.split(",", 1)
        mime = head[5:].split(";")[0] or mime
    if isinstance(mime, str):
        part["mime_type"] = mime
    if isinstance(data, str):
        return {"type": "blob", **part, "content": data}
    return {"type": "uri", **part, "uri": url if isinstance(url, str) else ""}


def _file(block: Mapping[str, Json]) -> Part:
    inner = block.get("file")
    found = inner if isinstance(inner, dict) else block
    file_id = _first(found, "file_id", "id")
    if file_id is None and isinstance(found.get("mediaType"), str):
        return _vercel_file(found)
    if file_id is None:
        return {k: v for k, v in block.items() if v is not None}
    return {"type": "file", "modality": str(found.get("modality") or "file"), "file_id": file_id}


def _vercel_file(block: Mapping[str, Json]) -> Part:
    mime, data = str(block["mediaType"]), block.get("data")
    held = isinstance(data, str) and "://" not in data
    return media_part(mime, block.get("url", data), data if held else None, mime)


def _inline(inner: Json, _block: Mapping[str, Json]) -> Part:
    value = inner if isinstance(inner, dict) else {}
    data = _first(value, "data", "bytes")
    return media_part("image", None, data, _first(value, "mime_type", "mimeType", "format"))


def _tool_use(inner: Json, _block: Mapping[str, Json]) -> Part:
    value = inner if isinstance(inner, dict) else {}
    name = value.get("name")
    return call_part(
        _first(value, "toolUseId", "id"), name, _first(value, "input", "args", "arguments")
    )


def _tool_result(inner: Json, _block: Mapping[str, Json]) -> Part:
    value = inner if isinstance(inner, dict) else {}
    answer = _first(value, "content", "response")
    return response_part(_first(value, "toolUseId", "id"), answer, failed=has_failed(value))


def _haystack_call(inner: Json, block: Mapping[str, Json]) -> Part:
    value = inner if isinstance(inner, dict) else {}
    if "tool_name" not in value:
        return {"type": "unknown", **block}
    return call_part(value.get("id"), value.get("tool_name"), value.get("arguments"))


def _haystack_result(inner: Json, block: Mapping[str, Json]) -> Part:
    value = inner if isinstance(inner, dict) else {}
    if "result" not in value:
        return {"type": "unknown", **block}
    origin = value.get("origin")
    call_id = origin.get("id") if isinstance(origin, dict) else None
    return response_part(call_id, value.get("result"), failed=value.get("error") is True)


def _spoken(inner: Json, block: Mapping[str, Json]) -> Part:
    content = inner if isinstance(inner, str) else as_text(inner) or ""
    return {"type": "reasoning" if block.get("thought") is True else "text", "content": content}


def _bedrock_reasoning(inner: Json, _block: Mapping[str, Json]) -> Part:
    value = inner.get("reasoningText") if isinstance(inner, dict) else None
    text = value.get("text") if isinstance(value, dict) else None
    return {"type": "reasoning", "content": text if isinstance(text, str) else ""}


def _first(block: Mapping[str, Json], *names: str) -> Json:
    for name in names:
        value = block.get(name)
        if value is not None:
            return value
    return None


_BUILDERS: Final[Mapping[str, Callable[[Mapping[str, Json]], Part]]] = {
    "text": _text, "input_text": _text, "output_text": _text, "summary_text": _text,
    "refusal": _text,  # what the user is told
    "tool_call": _call, "tool_use": _call, "tool-call": _call, "function": _call,
    "function_call": _call,
    "tool_call_response": _response, "tool_result": _response, "tool-result": _response,
    "function_call_output": _response,
    "reasoning": _reasoning, "thinking": _reasoning, "reasoningContent": _reasoning,
    "image_url": _image, "image": _image, "input_image": _image, "input_audio": _image,
    "file": _file, "input_file": _file, "uri": _uri,
}  # fmt: skip
_BY_KEY: Final[Mapping[str, Callable[[Json, Mapping[str, Json]], Part]]] = {
    "text": _spoken, "reasoningContent": _bedrock_reasoning,
    "toolUse": _tool_use, "functionCall": _tool_use, "function_call": _tool_use,
    "toolResult": _tool_result, "functionResponse": _tool_result,
    "function_response": _tool_result, "inline_data": _inline, "inlineData": _inline,
    "image": _inline,
    "tool_call": _haystack_call, "tool_call_result": _haystack_result,
}  # fmt: skip
