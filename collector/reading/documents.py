"""Retrieved documents, from every shape vendors give them."""

from collections.abc import Mapping
from typing import Final

from collector.reading.literal import read_fields
from collector.reading.values import as_dict, as_number, as_text, parsed
from waypost.records import Document, Json

_HOLDERS: Final = ("documents", "output", "outputs", "results", "matches", "nodes", "source_nodes")
_CONTENT: Final = ("content", "page_content", "text", "pageContent", "document.content")
_IDS: Final = ("id", "document_id", "doc_id", "document.id")
_QUERIES: Final = ("query", "input", "question", "text", "query_str")
_DEPTH: Final = 6


def documents_of(value: Json) -> tuple[Document, ...]:
    """The documents in a list, in an object that holds one, or in their JSON text."""
    value = parsed(value)
    for _ in range(_DEPTH):
        if isinstance(value, list):
            return tuple(d for item in value if (d := _document(item)) is not None)
        if not isinstance(value, dict):
            return ()
        holder = next((name for name in _HOLDERS if value.get(name)), None)
        if holder is None:
            found = _document(value)
            return (found,) if found is not None else ()
        value = parsed(value[holder])
    return ()


def _document(item: Json) -> Document | None:
    if isinstance(item, str):
        fields = read_fields(item) if item.startswith(("page_content=", "content=", "id=")) else {}
        return _of_object(fields) if fields else Document(item)
    if not isinstance(item, dict):
        return None
    inner = item.get("kwargs", item.get("document", item.get("node")))
    if isinstance(inner, dict):
        return _of_object({**item, **inner})
    return _of_object(item)


def _of_object(item: Mapping[str, Json]) -> Document | None:
    content = next((item[k] for k in _CONTENT if isinstance(item.get(k), str)), "")
    metadata = as_dict(item.get("metadata") or item.get("document.metadata"))
    name = next((t for k in _IDS if (t := as_text(item.get(k)))), None)
    if not content and name is None and not metadata:
        return None
    score = as_number(item.get("score", item.get("document.score")))
    if score is None:
        score = as_number(metadata.get("score", metadata.get("relevance_score")))
    return Document(str(content), name or as_text(metadata.get("id")), score, metadata)


def query_of(value: Json) -> str | None:
    """The query of a retrieval, bare or in an object."""
    value = parsed(value)
    if isinstance(value, dict):
        value = next((value[k] for k in _QUERIES if k in value), None)
    return as_text(value)
