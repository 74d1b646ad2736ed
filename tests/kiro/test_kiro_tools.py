"""Tools within what Kiro takes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_core import FunctionTool, HostedTool, InvalidRequest, JsonObject, Unsupported
from gateway_core.request import CustomTool, Tool
from gateway_kiro.names import ToolNames, call_id, tool_name
from gateway_kiro.schemas import plain_schema, strict_schema
from gateway_kiro.tools import ToolSet, read_tools, with_strict_schemas
from support.about import each

OPEN: JsonObject = {"type": "object", "properties": {}}


def offered(*tools: Tool) -> ToolSet:
    return read_tools(tools, ToolNames(), search=True)


def specification(tool: Tool) -> JsonObject:
    found: JsonObject = offered(tool).specifications[0]["toolSpecification"]
    return found


@each(
    "name, wire",
    [
        ("read_file", "read_file"),
        ("mcp__a-b__c", "mcp__a-b__c"),
        ("a.b", "a_b_"),
        ("1st", "t1st_"),
        ("x" * 64, "x" * 64),
        ("x" * 65, "x" * 55 + "_"),
        ("ünïcode", "t_n_code_"),
        ("", "t_"),
    ],
)
def test_a_name_is_kept_or_replaced_by_one_that_fits(name: str, wire: str) -> None:
    found = tool_name(name)
    assert found.startswith(wire) and len(found) <= 64
    assert (found == name) is (wire == name)


@given(st.text(max_size=80), st.text(max_size=80))
def test_two_names_never_become_one(one: str, other: str) -> None:
    assert (tool_name(one) == tool_name(other)) is (one == other)


def test_replaced_names_can_be_given_back() -> None:
    names = ToolNames()
    wires = [names.wire(name) for name in ("plain", "a.b", "y" * 99)]
    assert [names.restore.get(wire, wire) for wire in wires] == ["plain", "a.b", "y" * 99]


def test_ids_of_calls_fit() -> None:
    assert call_id("tooluse_q1W2-e3") == "tooluse_q1W2-e3"
    assert len(call_id("a|b" * 40)) == 64


def test_of_two_tools_with_one_name_the_first_counts() -> None:
    tools = offered(FunctionTool("t", "first", OPEN), FunctionTool("t", "second", OPEN))
    assert [one["toolSpecification"]["description"] for one in tools.specifications] == ["first"]


@pytest.mark.parametrize("description", [None, "", "  "])
def test_every_tool_has_a_description(description: str | None) -> None:
    assert specification(FunctionTool("t", description, OPEN))["description"] == "Tool: t"


def test_a_long_description_moves_to_the_instructions() -> None:
    tools = offered(FunctionTool("t", "word " * 3000, OPEN))
    assert "## Tool: t" in tools.specifications[0]["toolSpecification"]["description"]
    assert tools.long_descriptions[0].startswith("## Tool: t\n\nword word")


def test_what_runs_nowhere_is_refused_by_name() -> None:
    with pytest.raises(Unsupported, match="'image_generation'"):
        offered(HostedTool("image_generation", "image_generation"))
    with pytest.raises(Unsupported, match="'custom'"):
        offered(CustomTool("patch", "Patches"))
    with pytest.raises(InvalidRequest, match="needs a name"):
        offered(FunctionTool("", "x", OPEN))


def test_a_search_of_the_clients_own_stays_its_own() -> None:
    mine = FunctionTool("web_search", "mine", OPEN)
    tools = offered(mine, HostedTool("web_search", "web_search"))
    assert tools.search is None
    assert len(tools.specifications) == 1


@each(
    "schema, sent",
    [
        ({}, {"type": "object", "properties": {}}),
        ({"type": "string"}, {"type": "object", "properties": {}}),
        ({"properties": None, "required": None}, {"type": "object", "properties": {}}),
        ({**OPEN, "required": [], "additionalProperties": False}, OPEN),
        (
            {"type": "object", "properties": {"a": {"items": {"additionalProperties": {}}}}},
            {"type": "object", "properties": {"a": {"items": {}}}},
        ),
        (
            {"type": "object", "properties": {"a": {"anyOf": [{"required": []}, {"x": 1}]}}},
            {"type": "object", "properties": {"a": {"anyOf": [{}, {"x": 1}]}}},
        ),
    ],
)
def test_what_is_always_refused_is_taken_out(schema: JsonObject, sent: JsonObject) -> None:
    assert plain_schema(schema) == sent


def test_a_property_may_be_called_like_a_keyword() -> None:
    properties: Any = {
        "required": {"type": "boolean"},
        "additionalProperties": {"type": "string"},
        "pattern": {"type": "string"},
        "properties": {"type": "object", "properties": {}},
    }
    schema: JsonObject = {"type": "object", "properties": properties, "required": ["required"]}
    assert plain_schema(schema) is schema
    assert strict_schema(schema) == schema


def test_values_are_no_schemas() -> None:
    schema = {**OPEN, "default": {"additionalProperties": 1}, "enum": [{"required": []}]}
    assert plain_schema(schema) is schema


def test_the_barer_form_keeps_types_and_meaning() -> None:
    schema: JsonObject = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "url": {"type": "string", "format": "uri", "pattern": "^h", "description": "Where"},
            "mode": {"const": "fast"},
            "many": {
                "type": "array",
                "minItems": 1,
                "uniqueItems": True,
                "items": {"type": "string"},
            },
        },
        "definitions": {"unused": {"type": "string"}},
        "required": ["url"],
    }
    assert strict_schema(schema) == {
        "type": "object",
        "properties": {
            "url": {"type": "string", "description": "Where"},
            "mode": {"enum": ["fast"]},
            "many": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["url"],
    }


def test_the_barer_form_offers_all_of_a_choice_and_keeps_what_is_referred_to() -> None:
    schema: JsonObject = {
        "anyOf": [
            {"properties": {"a": {"$ref": "#/$defs/A"}}, "required": ["a"]},
            {"properties": {"b": {"type": "string"}}},
        ],
        "$defs": {"A": {"type": "string"}},
    }
    assert strict_schema(schema) == {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/A"}, "b": {"type": "string"}},
        "$defs": {"A": {"type": "string"}},
    }


def test_a_request_gets_barer_schemas_once() -> None:
    tool = {"toolSpecification": {"name": "t", "inputSchema": {"json": {**OPEN, "$id": "x"}}}}
    message = {"content": "Hi", "userInputMessageContext": {"tools": [tool]}}
    body: JsonObject = {"conversationState": {"currentMessage": {"userInputMessage": message}}}
    strict = with_strict_schemas(body)
    assert strict is not None
    context = strict["conversationState"]["currentMessage"]["userInputMessage"]
    tools = context["userInputMessageContext"]["tools"]
    assert tools[0]["toolSpecification"]["inputSchema"]["json"] == OPEN
    assert with_strict_schemas(strict) is None
    assert tool["toolSpecification"]["inputSchema"] == {"json": {**OPEN, "$id": "x"}}


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["properties", "required", "items", "anyOf", "type", "x", "$defs"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(st.sampled_from(["properties", "required", "anyOf", "allOf", "items"]), JSON)
)
def test_any_schema_comes_out_as_an_object(schema: JsonObject) -> None:
    for cleaned in (plain_schema(schema), strict_schema(schema)):
        assert cleaned["type"] == "object"
        assert isinstance(cleaned["properties"], dict)
        assert cleaned.get("required") != []
