"""Schemas of tools as Kimi takes them."""

from gateway_core.json import JsonObject
from gateway_kimi.schemas import tool_schema
from support.about import each


@each(
    "schema, expected",
    [
        ({}, {"type": "string"}),
        ({"enum": ["a", "b"]}, {"enum": ["a", "b"], "type": "string"}),
        ({"enum": [1, 2.5]}, {"enum": [1, 2.5], "type": "number"}),
        ({"const": True}, {"const": True, "type": "boolean"}),
        ({"const": None}, {"const": None, "type": "null"}),
        ({"enum": [[1], [2]]}, {"enum": [[1], [2]], "type": "array"}),
        ({"enum": ["a", 1]}, {"enum": ["a", 1], "type": "string"}),
        ({"minimum": 3}, {"minimum": 3, "type": "number"}),
        ({"required": ["x"]}, {"required": ["x"], "type": "object"}),
        (
            {"items": {"pattern": "x"}},
            {"items": {"pattern": "x", "type": "string"}, "type": "array"},
        ),
        (
            {"type": "string", "enum": [1, 2], "minLength": 1},
            {"enum": [1, 2], "type": "integer"},
        ),
        ({"type": "number", "enum": [1, 2]}, {"type": "number", "enum": [1, 2]}),
        ({"type": "string", "enum": ["a", 1]}, {"type": "string", "enum": ["a", 1]}),
        (
            {"anyOf": [{"type": "null"}, {"format": "date"}]},
            {"anyOf": [{"type": "null"}, {"format": "date", "type": "string"}]},
        ),
        ({"$ref": "#/$defs/S"}, {"type": "string"}),
    ],
)
def test_every_property_gets_a_type(schema: JsonObject, expected: JsonObject) -> None:
    parameters = {"properties": {"p": schema}, "$defs": {"S": {"minLength": 1, "type": "string"}}}
    fitted = tool_schema(parameters)
    if "$ref" in schema:
        expected = {"minLength": 1, **expected}
    assert fitted == {"properties": {"p": expected}, "type": "object"}


def test_parameters_are_always_an_object() -> None:
    assert tool_schema({}) == {"type": "object", "properties": {}}


def test_the_given_schema_stays_as_it_is() -> None:
    schema: JsonObject = {"type": "object", "properties": {"p": {"enum": ["a"]}}}
    tool_schema(schema)
    assert schema == {"type": "object", "properties": {"p": {"enum": ["a"]}}}
