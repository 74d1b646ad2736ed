"""JSON values in `google.protobuf.Value`, and tool schemas on their way there."""

from typing import Any

import pytest

from gateway_core import JsonObject
from gateway_cursor.schemas import flat_schema
from gateway_cursor.values import from_value, restored, to_value
from support.about import about
from support.cursor_asking import fixture

VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    5,
    -7,
    2.5,
    "",
    "ä 😀",
    [],
    {},
    [1, "two", None, [False], {}],
    {"a": {"b": [{"c": 1.5}]}, "empty": {}, "list": []},
]


def test_a_value_comes_back_as_it_was() -> None:
    for value in VALUES:
        with about(value):
            assert from_value(to_value(value)) == value
            assert repr(from_value(to_value([value]))) == repr([value])


def test_the_same_value_gives_the_same_bytes_whatever_the_order_of_its_members() -> None:
    assert to_value({"a": 1, "b": [2]}) == to_value({"b": [2], "a": 1})


def test_a_schema_is_written_as_in_the_fixture() -> None:
    tools = fixture("c02").run_request.mcp_tools.mcp_tools
    for tool in tools:
        assert to_value(from_value(tool.input_schema)) == tool.input_schema
    assert from_value(tools[1].input_schema) == {
        "type": "object",
        "properties": {"command": {"type": "string"}},
        "required": ["command"],
    }


def test_whole_numbers_are_integers_unless_the_schema_says_number() -> None:
    for schema, expected in [
        ({}, "5"),
        ({"type": "integer"}, "5"),
        ({"type": "number"}, "5.0"),
        ({"type": ["number", "null"]}, "5.0"),
        ({"type": ["integer", "number"]}, "5"),
        ({"anyOf": [{"type": "number"}, {"type": "string"}]}, "5.0"),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "5"),
        ({"type": "string"}, "5"),
        ({"type": 3, "anyOf": "x"}, "5"),
        ("no schema", "5"),
    ]:
        with about(schema):
            assert repr(from_value(to_value(5), schema)) == expected


def test_integers_are_restored_deep_inside() -> None:
    schema: JsonObject = {
        "properties": {
            "rows": {"items": {"properties": {"ratio": {"type": "number"}}}},
            "more": {"additionalProperties": {"type": "number"}},
        }
    }
    value = {"rows": [{"ratio": 2, "count": 2}], "more": {"x": 1}, "free": [1]}
    assert repr(from_value(to_value(value), schema)) == (
        "{'rows': [{'ratio': 2.0, 'count': 2}], 'more': {'x': 1.0}, 'free': [1]}"
    )


def test_members_stand_in_the_order_of_the_schema_and_others_after_them_by_name() -> None:
    schema: JsonObject = {"properties": {"z": {}, "b": {"properties": {"y": {}, "x": {}}}}}
    members = {"c": to_value(1), "b": to_value({"x": 1, "y": 2}), "a": to_value(2), "z": b""}
    found = restored(members, schema)
    assert list(found) == ["z", "b", "a", "c"]
    assert list(found["b"]) == ["y", "x"]


def test_numbers_beyond_all_floats_are_null() -> None:
    for number in [float("inf"), float("nan"), 10**400]:
        with about(number):
            assert from_value(to_value(number)) is None


def test_what_is_no_value_is_text() -> None:
    for data, text in [
        (b"plain words", "plain words"),
        (b'{"a":1}', '{"a":1}'),
        (b"\xff\xfe", "\ufffd\ufffd"),
    ]:
        with about(data):
            assert from_value(data) == text


def test_nothing_is_null() -> None:
    assert from_value(b"") is None


def test_a_value_nested_too_deep_is_refused() -> None:
    value: Any = 1
    for _ in range(100):
        value = [value]
    with pytest.raises(ValueError, match="nested"):
        to_value(value)


PLAIN: JsonObject = {"type": "object", "properties": {"a": {"type": "string"}}}


def test_a_schema_without_choices_is_left_alone() -> None:
    assert flat_schema(PLAIN) is PLAIN


def test_choices_between_schemas_are_told_without_them() -> None:
    for member, expected in [
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, {"type": "string"}),
        (
            {"description": "d", "oneOf": [{"type": "string"}, {"type": "integer"}]},
            {"type": ["string", "integer"], "description": "d"},
        ),
        (
            {"anyOf": [{"const": "a"}, {"enum": ["b", "a"]}]},
            {"enum": ["a", "b"]},
        ),
        ({"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "string"}]}, {"type": "string"}),
        (
            {"allOf": [{"type": "string"}, {"minLength": 1}], "title": "t"},
            {"type": "string", "minLength": 1, "title": "t"},
        ),
        (
            {
                "anyOf": [
                    {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]},
                    {
                        "type": "object",
                        "properties": {"x": {"type": "integer"}, "y": {"type": "string"}},
                        "required": ["y", "x"],
                    },
                ]
            },
            {
                "type": "object",
                "properties": {"x": {"type": ["string", "integer"]}, "y": {"type": "string"}},
                "required": ["x"],
            },
        ),
        (
            {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}]},
            {"type": ["array", "string"], "items": {"type": "string"}},
        ),
        ({"anyOf": [{"type": "null"}]}, {}),
        ({"anyOf": "broken", "type": "string"}, {"type": "string"}),
        ({"anyOf": [{"type": [{}]}, {"type": "string"}], "title": "t"}, {"title": "t"}),
        ({"allOf": [{"required": [{}, "a"]}, {"required": "a"}]}, {"required": ["a"]}),
        ({"oneOf": [{"enum": 1, "properties": 2}, {"items": []}]}, {"items": []}),
        (
            {"anyOf": [{"type": "string", "pattern": "^a", "title": "A"}, {"type": "string"}]},
            {"type": "string"},
        ),
        (
            {"anyOf": [{"type": "string", "format": "date"}, {"type": "integer", "minimum": 1}]},
            {"type": ["string", "integer"], "format": "date", "minimum": 1},
        ),
        (
            {
                "anyOf": [
                    {"type": "array", "items": {"type": "string"}},
                    {"type": "array", "items": {"type": "integer"}},
                ]
            },
            {"type": "array", "items": {"type": ["string", "integer"]}},
        ),
        ({"not": {"type": "string"}}, {"not": {"type": "string"}}),
        ({"type": "object", "unevaluatedProperties": {"anyOf": [{}, {}]}}, {"type": "object"}),
    ]:
        with about(member):
            schema = {"type": "object", "properties": {"a": member}}
            assert flat_schema(schema) == {"type": "object", "properties": {"a": expected}}


def test_a_choice_between_definitions_has_the_members_of_all_of_them() -> None:
    kinds: JsonObject = {
        name: {"type": "object", "properties": {name: {"type": "string"}}, "required": [name]}
        for name in ("file", "url")
    }
    choice = {"oneOf": [{"$ref": "#/$defs/file"}, {"$ref": "#/$defs/url"}]}
    assert flat_schema({"type": "object", "properties": {"a": choice}, "$defs": kinds}) == {
        "type": "object",
        "properties": {
            "a": {
                "type": "object",
                "properties": {"file": {"type": "string"}, "url": {"type": "string"}},
            }
        },
    }


def test_a_choice_that_comes_back_to_itself_is_narrowed_to_none_of_its_branches() -> None:
    node: JsonObject = {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/more"}]}
    more: JsonObject = {"type": "array", "items": {"$ref": "#/$defs/node"}}
    flat = flat_schema(
        {"type": "object", "properties": {"a": node}, "$defs": {"node": node, "more": more}}
    )
    assert flat["properties"]["a"]["type"] == ["string", "array"]
    assert not any(word in repr(flat) for word in ("anyOf", "oneOf", "allOf"))


def test_a_definition_that_may_be_left_out_stays_a_reference() -> None:
    member = {"anyOf": [{"$ref": "#/$defs/file"}, {"type": "null"}]}
    schema: JsonObject = {
        "type": "object",
        "properties": {"a": member},
        "$defs": {"file": {"type": "string"}},
    }
    assert flat_schema(schema) == {**schema, "properties": {"a": {"$ref": "#/$defs/file"}}}


def test_a_choice_at_the_root_becomes_all_of_its_members() -> None:
    schema: JsonObject = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "oneOf": [
            {"properties": {"a": {"type": "string"}}, "required": ["a"]},
            {"properties": {"b": {"type": "string"}}, "required": ["b"]},
        ],
        "properties": {"c": {"allOf": [{"type": "string"}]}},
        "required": ["c"],
    }
    before = repr(schema)
    assert flat_schema(schema) == {
        "type": "object",
        "properties": {name: {"type": "string"} for name in "abc"},
        "required": ["c"],
    }
    assert repr(schema) == before


def test_a_property_may_be_called_like_a_keyword() -> None:
    schema: JsonObject = {"type": "object", "properties": {"anyOf": {"type": "string"}}}
    assert flat_schema(schema) is schema


def test_every_schema_is_one_of_an_object() -> None:
    assert flat_schema({}) == {"type": "object", "properties": {}}
    assert flat_schema({"type": "string"}) == {"type": "object", "properties": {}}
