"""LangChain's messages, tools, documents and parameters in the shape of the contract.

Everything is read by duck typing, so that this module needs no LangChain.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from waypost import names

_ROLES: Final = {
    "human": "user", "ai": "assistant", "system": "system", "tool": "tool", "function": "tool",
    "HumanMessageChunk": "user", "AIMessageChunk": "assistant", "SystemMessageChunk": "system",
    "ToolMessageChunk": "tool",
}  # fmt: skip
_PROVIDERS: Final = {
    "google_genai": "gcp.gemini", "google_vertexai": "gcp.vertex_ai", "vertexai": "gcp.vertex_ai",
    "amazon_bedrock": "aws.bedrock", "bedrock": "aws.bedrock", "bedrock_converse": "aws.bedrock",
    "azure": "azure.ai.openai", "azure_openai": "azure.ai.openai", "mistral": "mistral_ai",
    "mistralai": "mistral_ai", "xai": "x_ai", "azure_ai": "azure.ai.inference",
}  # fmt: skip
_CALL_BLOCKS: Final = frozenset(
    {"tool_use", "tool_call", "tool_call_chunk", "input_json_delta", "function_call"}
)
_PARAMETERS: Final = (
    (names.REQUEST_TEMPERATURE, ("temperature",), float),
    (names.REQUEST_MAX_TOKENS, ("max_tokens", "max_completion_tokens", "max_output_tokens"), int),
    (names.REQUEST_TOP_P, ("top_p",), float),
    (names.REQUEST_TOP_K, ("top_k",), int),
    (names.REQUEST_SEED, ("seed",), int),
)
_MEDIA_BYTES: Final = 65_536


def role_of(message: Any) -> str:
    kind = message.type
    return _ROLES.get(kind) or str(getattr(message, "role", None) or kind)


def message_of(message: Any) -> dict[str, object]:
    """One message as role and parts."""
    role = role_of(message)
    if role == "tool":
        return {"role": role, "parts": [_response_part(message)]}
    content = message.content
    parts: list[object] = []
    if isinstance(content, str):
        if content:
            parts.append({"type": "text", "content": content})
    else:
        parts.extend(part for block in content for part in _block(block))
    if role == "assistant":
        parts.extend(call_parts(message))
    return {"role": role, "parts": parts}


def call_parts(message: Any) -> Iterator[dict[str, object]]:
    """The calls of a model's message, those it wrote in broken JSON too."""
    for call in getattr(message, "tool_calls", None) or ():
        yield {
            "type": "tool_call",
            "id": call.get("id"),
            "name": call["name"],
            "arguments": call["args"],
        }
    for call in getattr(message, "invalid_tool_calls", None) or ():
        yield {
            "type": "tool_call",
            "id": call.get("id"),
            "name": call.get("name"),
            "arguments": call.get("args"),
            "error": call.get("error") or "invalid arguments",
        }


def _response_part(message: Any) -> dict[str, object]:
    part = {
        "type": "tool_call_response",
        "id": getattr(message, "tool_call_id", None),
        "response": message.content,
    }
    if getattr(message, "status", None) == "error":
        part["status"] = "error"
    return part


def _block(block: object) -> Iterator[object]:
    """One content block as a part; calls are left out, they come with the message's calls."""
    if isinstance(block, str):
        yield {"type": "text", "content": block}
        return
    if not isinstance(block, Mapping):
        yield {"type": "text", "content": str(block)}
        return
    kind = block.get("type")
    if kind in ("text", "output_text", "input_text"):
        yield {"type": "text", "content": block.get("text", "")}
    elif kind in ("reasoning", "thinking"):
        yield {"type": "reasoning", "content": _reasoning(block)}
    elif kind not in _CALL_BLOCKS:
        yield _media(block) or dict(block)


def _reasoning(block: Mapping[str, Any]) -> object:
    text = block.get("reasoning") or block.get("thinking")
    if text is None and isinstance(block.get("summary"), list):
        text = "\n".join(str(item.get("text", "")) for item in block["summary"])
    return text or ""


def _media(block: Mapping[str, Any]) -> dict[str, object] | None:
    """Pictures, sound and files: the bytes as a blob, large ones as a hash."""
    kind = str(block.get("type"))
    url = block.get("image_url") or block.get("url")
    if isinstance(url, Mapping):
        url = url.get("url")
    mime, data = block.get("mime_type"), block.get("base64") or block.get("data")
    source = block.get("source")
    if isinstance(source, Mapping):
        mime, data = source.get("media_type"), source.get("data")
    if isinstance(url, str) and url.startswith("data:") and ";base64," in url[:200]:
        head, _, data = url.partition(";base64,")
        mime = head[5:]
    modality = _modality(kind, mime)
    if isinstance(data, str):
        return _blob(modality, mime, data)
    if isinstance(url, str):
        return {"type": "uri", "modality": modality, "mime_type": mime, "uri": url}
    if isinstance(block.get("file_id"), str):
        return {"type": "file", "modality": modality, "file_id": block["file_id"]}
    return None


def _modality(kind: str, mime: object) -> str:
    known = ("image", "audio", "video")
    of_mime = str(mime).partition("/")[0]
    return of_mime if of_mime in known else next((k for k in known if k in kind), "file")


def _blob(modality: str, mime: object, data: str) -> dict[str, object]:
    if len(data) <= _MEDIA_BYTES:
        return {"type": "blob", "modality": modality, "mime_type": mime, "content": data}
    digest = hashlib.sha256(data.encode("utf-8", "replace")).hexdigest()
    return {"type": "uri", "modality": modality, "mime_type": mime, "uri": f"sha256:{digest}"}


def split_system(messages: Sequence[Any]) -> tuple[list[Any], Sequence[Any]]:
    """The leading system messages, and the rest."""
    at = 0
    while at < len(messages) and messages[at].type == "system":
        at += 1
    return list(messages[:at]), messages[at:] if at else messages


def system_parts(messages: Iterable[Any]) -> list[object]:
    parts: list[object] = []
    for message in messages:
        shape = message_of(message)["parts"]
        parts.extend(shape if isinstance(shape, list) else [])
    return parts


def prompt_version(system: str) -> str:
    """The version of a prompt nobody named: a hash of the system prompt."""
    return "sha256:" + hashlib.sha256(system.encode("utf-8", "replace")).hexdigest()[:16]


def tool_definition(tool: Any) -> object:
    """A bound tool in one shape, whichever provider it was written for."""
    if not isinstance(tool, Mapping):
        return str(tool)
    inner = tool.get("function")
    found = inner if isinstance(inner, Mapping) else tool
    schema = found.get("parameters") or found.get("input_schema")
    if "name" not in found or schema is None:
        return dict(tool)
    shape = {"type": "function", "name": found["name"], "parameters": schema}
    if found.get("description"):
        shape["description"] = found["description"]
    return shape


def provider_of(metadata: Mapping[str, Any]) -> str | None:
    provider = metadata.get("ls_provider")
    return _PROVIDERS.get(provider, provider) if isinstance(provider, str) else None


def parameters_of(
    parameters: Mapping[str, Any], metadata: Mapping[str, Any]
) -> Iterator[tuple[str, object]]:
    """Request parameters that the contract has a name for."""
    for attribute, known, kind in _PARAMETERS:
        for name in known:
            value = parameters.get(name)
            if value is None:
                value = metadata.get(f"ls_{name}")
            if isinstance(value, int | float) and not isinstance(value, bool):
                yield attribute, kind(value)
                break


def output_type(parameters: Mapping[str, Any], options: Mapping[str, Any]) -> str | None:
    wanted = parameters.get("response_format") or options.get("ls_structured_output_format")
    return "json" if wanted else None


def usage_of(message: Any, llm_output: Mapping[str, Any] | None) -> Iterator[tuple[str, int]]:
    """Tokens that were reported; what was not reported is left out."""
    usage = getattr(message, "usage_metadata", None)
    if isinstance(usage, Mapping):
        read = usage.get("input_token_details") or {}
        written = usage.get("output_token_details") or {}
        found = {
            names.TOKENS_IN: usage.get("input_tokens"),
            names.TOKENS_OUT: usage.get("output_tokens"),
            names.TOKENS_CACHE_READ: read.get("cache_read"),
            names.TOKENS_CACHE_WRITE: read.get("cache_creation"),
            names.TOKENS_REASONING: written.get("reasoning"),
        }
    else:
        plain = (llm_output or {}).get("token_usage") or {}
        found = {
            names.TOKENS_IN: plain.get("prompt_tokens"),
            names.TOKENS_OUT: plain.get("completion_tokens"),
        }
    for name, value in found.items():
        if isinstance(value, int) and not isinstance(value, bool):
            yield name, value


def answer_of(message: Any, info: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Who answered and why it stopped."""
    meta = getattr(message, "response_metadata", None) or {}
    model = meta.get("model_name") or meta.get("model")
    if isinstance(model, str):
        yield names.RESPONSE_MODEL, model
    answer = meta.get("id") or getattr(message, "id", None)
    if isinstance(answer, str) and not answer.startswith(("lc_", "run-")):
        yield names.RESPONSE_ID, answer
    reason = next(
        (
            v
            for k in ("finish_reason", "stop_reason", "done_reason")
            if (v := meta.get(k) or info.get(k))
        ),
        None,
    )
    if isinstance(reason, str):
        yield names.FINISH_REASONS, [reason]
    cost = (
        (meta.get("token_usage") or {}).get("cost")
        if isinstance(meta.get("token_usage"), Mapping)
        else None
    )
    if isinstance(cost, int | float) and cost > 0:
        yield names.COST, float(cost)


def documents_of(documents: Iterable[Any]) -> list[dict[str, object]]:
    """Retrieved documents with id, score, content and metadata, as far as there are."""
    found = []
    for document in documents:
        metadata = dict(getattr(document, "metadata", None) or {})
        score = next(
            (metadata[k] for k in ("score", "relevance_score", "_score") if k in metadata), None
        )
        shape = {
            "id": getattr(document, "id", None) or metadata.get("id"),
            "score": score,
            "content": getattr(document, "page_content", None) or str(document),
            "metadata": metadata,
        }
        found.append({k: v for k, v in shape.items() if v is not None})
    return found


def result_of(output: Any) -> tuple[object, bool]:
    """What a tool gave back, unwrapped, and whether it says of itself that it failed."""
    if hasattr(output, "tool_call_id") and hasattr(output, "content"):
        return output.content, getattr(output, "status", None) == "error"
    if isinstance(output, list) and output and all(map(_is_answer, output)):
        results = [result_of(item) for item in output]
        contents = [content for content, _ in results if content is not None]
        failed = any(bad for _, bad in results)
        return (contents[0] if len(contents) == 1 else contents), failed
    if _is_command(output):
        return _command_result(output)
    return output, False


def _is_answer(output: Any) -> bool:
    return (hasattr(output, "tool_call_id") and hasattr(output, "content")) or _is_command(output)


def _is_command(output: Any) -> bool:
    return type(output).__name__ == "Command" and hasattr(output, "update")


def _command_result(output: Any) -> tuple[object, bool]:
    """A command's own tool message, or what it changes."""
    update = output.update
    messages = update.get("messages") if isinstance(update, Mapping) else None
    answers = [m for m in messages or () if getattr(m, "type", None) == "tool"]
    if answers:
        return result_of(answers[-1])
    shape = {"goto": str(output.goto) if output.goto else None, "update": update}
    return {k: v for k, v in shape.items() if v is not None}, False


def arguments_of(inputs: object, text: str) -> object:
    """A tool's arguments, always an object."""
    if isinstance(inputs, Mapping):
        return inputs
    if text[:1] == "{":
        try:
            value = json.loads(text)
        except ValueError:
            return {"input": text}
        return value if isinstance(value, dict) else {"input": text}
    return {"input": text}
