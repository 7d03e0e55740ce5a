"""JSON schema as strangers write it: validated without network, slow patterns or surprises."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, UnknownType
from referencing import Registry
from referencing.exceptions import Unresolvable

from evaluators.text import quote
from waypost.errors import Unreadable
from waypost.records import Json

TYPES = {
    "dict": "object",
    "float": "number",
    "double": "number",
    "int": "integer",
    "long": "integer",
    "str": "string",
    "bool": "boolean",
    "list": "array",
    "tuple": "array",
    "any": None,
}
NO_RULE = frozenset({"default", "description", "title", "$schema", "$id", "optional", "examples"})
SLOW_PATTERN = re.compile(r"\)\s*[*+{]|\\[1-9]|\(\?[=!<]")
DEEPEST = 32


@dataclass(frozen=True, slots=True)
class SchemaFault:
    """Where a value breaks its schema, and how."""

    path: str
    message: str


def schema_faults(value: Json, schema: Mapping[str, Json], root: str = "") -> list[SchemaFault]:
    """Every place where a value breaks a schema; Unreadable when the schema is none."""
    try:
        validator = Draft202012Validator(normal_schema(schema), registry=Registry())
        return [
            SchemaFault(".".join([root, *map(str, e.absolute_path)]), quote(e.message, 160))
            for e in validator.iter_errors(value)
        ]
    except (SchemaError, UnknownType, Unresolvable, re.error, *_SHAPES) as error:
        raise Unreadable(f"not a JSON schema: {quote(str(error), 120)}") from error


_SHAPES = (TypeError, ValueError, AttributeError, KeyError, RecursionError)


def normal_schema(schema: Mapping[str, Json]) -> dict[str, Json]:
    """A schema in JSON schema's own words; foreign type names are translated or left out."""
    normal = _normal(dict(schema), 0)
    return normal if isinstance(normal, dict) else {}


def _normal(schema: Json, depth: int) -> Json:
    """The same of every part: `$ref` may point into places that no keyword of schemas names."""
    if depth > DEEPEST:
        return {}
    if isinstance(schema, list):
        return [_normal(part, depth + 1) for part in schema]
    if not isinstance(schema, dict):
        return schema
    pairs = (_normal_pair(key, value, depth + 1) for key, value in schema.items())
    return {key: value for key, value in pairs if key}


def _normal_pair(key: str, value: Json, depth: int) -> tuple[str, Json]:
    if key in NO_RULE or (key == "pattern" and _is_slow(value)):
        return "", None
    match key, value:
        case "type", str():
            plain = TYPES.get(value.lower(), value)
            return ("type", plain) if plain else ("", None)
        case (("const" | "enum"), _) if "pattern" not in repr(value):
            return key, value
        case "patternProperties", dict():
            return key, {p: _normal(v, depth) for p, v in value.items() if not _is_slow(p)}
        case (("properties" | "$defs" | "definitions" | "dependentSchemas"), dict()):
            return key, {name: _normal(v, depth) for name, v in value.items()}
        case _:
            return key, _normal(value, depth)


def _is_slow(pattern: Json) -> bool:
    """Patterns that could take exponential time are not worth a worker's life."""
    return not isinstance(pattern, str) or bool(SLOW_PATTERN.search(pattern))
