"""Schemas come from strangers: none may hold up a worker, wherever its slow pattern stands."""

import pytest

from evaluators.schema import normal_schema, schema_faults
from waypost.records import Json

SLOW: Json = {"pattern": "^(a+)+$"}


@pytest.mark.parametrize(
    "schema",
    [
        SLOW,
        {"properties": {"pattern": SLOW}},
        {"propertyNames": SLOW},
        {"patternProperties": {"^(a+)+$": {}}},
        {"patternProperties": {"^a": SLOW}},
        {"if": SLOW},
        {"contains": SLOW},
        {"dependentSchemas": {"a": SLOW}},
        {"$ref": "#/x/y/0", "x": {"y": [SLOW]}},
        {"$ref": "#/const", "const": SLOW},
        {"$ref": "#/enum/0/0", "enum": [[SLOW]]},
    ],
)
def test_slow_patterns_are_left_out_wherever_they_stand(schema: dict[str, Json]) -> None:
    assert "(a+)+" not in repr(normal_schema(schema))


def test_quick_patterns_and_names_like_keywords_stay() -> None:
    schema: dict[str, Json] = {
        "properties": {"pattern": {"type": "str"}, "title": {"pattern": "^a"}},
        "patternProperties": {"^b": {"type": "int"}},
        "propertyNames": {"maxLength": 7},
    }
    assert not schema_faults({"pattern": "x", "title": "ab", "b1": 1}, schema)
    found = schema_faults({"pattern": 1, "title": "b", "b1": "x", "long name": 1}, schema)
    assert sorted(f.path for f in found) == ["", ".b1", ".pattern", ".title"]


def test_a_constant_is_compared_as_it_was_written() -> None:
    schema: dict[str, Json] = {"const": {"title": "x"}}
    assert not schema_faults({"title": "x"}, schema)
    assert schema_faults({}, schema)
