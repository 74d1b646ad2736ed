"""JSON Schemas as trees: walked, and freed of their references."""

from typing import Any

from gateway_core.json import JsonObject
from gateway_core.schemas import walk_schema, without_references
from support.about import each


def titled(schema: JsonObject) -> JsonObject:
    return {**schema, "title": "T"}


def test_every_schema_is_changed_and_nothing_else() -> None:
    schema = {
        "type": "object",
        "properties": {"items": {"enum": ["a"]}, "type": True},
        "additionalProperties": {"anyOf": [{"type": "string"}]},
        "default": {"type": "object"},
        "required": ["items"],
    }
    assert walk_schema(schema, titled) == {
        **schema,
        "properties": {"items": {"enum": ["a"], "title": "T"}, "type": True},
        "additionalProperties": {"anyOf": [{"type": "string", "title": "T"}], "title": "T"},
        "title": "T",
    }


def test_a_schema_in_which_nothing_changes_is_the_same_object() -> None:
    schema = {"type": "object", "properties": {"a": {"items": [{"type": "string"}]}}}
    assert walk_schema(schema, lambda inner: inner) is schema


POINT = {"type": "object", "properties": {"x": {"type": "number"}}}
TREE = {"type": "object", "properties": {"child": {"$ref": "#/$defs/Tree"}}}


@each(
    "schema, expected",
    [
        (
            {"properties": {"p": {"$ref": "#/$defs/P"}}, "$defs": {"P": POINT}},
            {"properties": {"p": POINT}},
        ),
        (
            {"items": {"$ref": "#/definitions/P", "type": "array"}, "definitions": {"P": POINT}},
            {"items": {**POINT, "type": "array"}},
        ),
        (
            {"properties": {"$ref": {"type": "string"}}},
            {"properties": {"$ref": {"type": "string"}}},
        ),
        (
            {"properties": {"a": {"$ref": "https://example.org/x"}}},
            {"properties": {"a": {"$ref": "https://example.org/x"}}},
        ),
        (
            {"properties": {"t": {"$ref": "#/$defs/Tree"}}, "$defs": {"Tree": TREE}},
            {"properties": {"t": TREE}, "$defs": {"Tree": TREE}},
        ),
    ],
)
def test_references_are_put_in_place(schema: JsonObject, expected: JsonObject) -> None:
    assert without_references(schema) == expected


def test_definitions_that_double_each_other_do_not_explode() -> None:
    definitions: dict[str, Any] = {"D0": {"type": "string"}}
    for number in range(1, 40):
        half = {"$ref": f"#/$defs/D{number - 1}"}
        definitions[f"D{number}"] = {"properties": {"a": half, "b": half}}
    placed = without_references(
        {"properties": {"d": {"$ref": "#/$defs/D39"}}, "$defs": definitions}
    )
    assert placed["$defs"] is definitions
