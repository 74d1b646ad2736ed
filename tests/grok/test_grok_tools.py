"""Tools, hosted tools and the choice among them."""

from typing import Any

import pytest

from gateway_core import FunctionTool, HostedTool, JsonObject, Request
from gateway_core.errors import InvalidRequest, Unsupported
from gateway_core.formats.anthropic import FORMAT as ANTHROPIC
from gateway_core.formats.responses import read_request
from gateway_core.request import Tool, ToolChoice
from gateway_grok.tools import MOST_TOOLS, clean_tools
from support.about import each
from support.grok_asking import asked, body_of, degraded, hello, translated

EMPTY: JsonObject = {"type": "object", "properties": {}}
OPEN: JsonObject = {**EMPTY, "additionalProperties": True}


def function(name: str = "f", parameters: JsonObject | None = None) -> FunctionTool:
    return FunctionTool(name, None, EMPTY if parameters is None else parameters)


def sent(*tools: Tool, choice: ToolChoice | None = None) -> JsonObject:
    return asked(hello(tools=[*tools], tool_choice=choice or ToolChoice()))


def read(*tools: JsonObject, **more: Any) -> Request:
    return read_request({"model": "m", "input": "Hi", "tools": [*tools], **more}, {})


@each(
    "parameters, wanted",
    [
        ({}, EMPTY),
        ({"type": "object"}, EMPTY),
        ({"properties": {"a": {}}}, {"type": "object", "properties": {"a": {}}}),
        ({"type": "string"}, EMPTY),
        (
            {"anyOf": [{"type": "object"}, {"type": "object"}]},
            {"anyOf": [{"type": "object"}, {"type": "object"}], **EMPTY},
        ),
        ({**EMPTY, "oneOf": [{"type": "string"}]}, EMPTY),
        ({**EMPTY, "anyOf": "nonsense"}, EMPTY),
    ],
)
def test_parameters_are_an_object(parameters: JsonObject, wanted: JsonObject) -> None:
    assert sent(function(parameters=parameters))["tools"][0]["parameters"] == wanted


def test_a_schema_that_xai_never_answers_is_opened() -> None:
    choices = [{"$ref": f"#/$defs/a_rather_long_name_{n}"} for n in range(300)]
    large = {**EMPTY, "properties": {"a": {"oneOf": choices}}}
    assert sent(function(parameters=large))["tools"][0]["parameters"] == OPEN
    small = {**EMPTY, "properties": {"a": {"oneOf": choices[:2]}}}
    assert sent(function(parameters=small))["tools"][0]["parameters"] == small


def test_strict_is_said_when_it_is_meant() -> None:
    tool = FunctionTool("f", "Does it", EMPTY, strict=True)
    assert sent(tool)["tools"] == [
        {
            "type": "function",
            "name": "f",
            "description": "Does it",
            "parameters": EMPTY,
            "strict": True,
        }
    ]
    assert "strict" not in sent(function())["tools"][0]


def test_the_first_of_a_name_stays() -> None:
    again = FunctionTool("f", "Another", EMPTY)
    assert sent(function(), again)["tools"] == [
        {"type": "function", "name": "f", "parameters": EMPTY}
    ]


def test_a_function_without_a_name_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="name"):
        clean_tools([{"type": "function"}], [], draws=False)


def test_too_many_tools_are_refused() -> None:
    tools = [function(f"f{number}") for number in range(MOST_TOOLS + 1)]
    assert len(sent(*tools[:-1])["tools"]) == MOST_TOOLS
    with pytest.raises(Unsupported, match="at most 128 tools, and these are 129"):
        sent(*tools)


def test_tools_of_a_namespace_stand_under_flat_names() -> None:
    group = {
        "type": "namespace",
        "name": "mcp__files",
        "tools": [{"type": "function", "name": "read"}],
    }
    assert [tool["name"] for tool in asked(read(group))["tools"]] == ["mcp__files__read"]


# --- hosted -------------------------------------------------------------------------------------


@each(
    "tool, wanted, notices",
    [
        ({"type": "web_search"}, {"type": "web_search"}, []),
        (
            {"type": "web_search", "filters": {"allowed_domains": ["a.example"]}},
            {"type": "web_search", "filters": {"allowed_domains": ["a.example"]}},
            [],
        ),
        (
            {"type": "web_search", "filters": {"blocked_domains": ["a.example"]}},
            {"type": "web_search", "filters": {"excluded_domains": ["a.example"]}},
            [],
        ),
        (
            {"type": "web_search", "filters": {"excluded_domains": ["a.example"]}},
            {"type": "web_search", "filters": {"excluded_domains": ["a.example"]}},
            [],
        ),
        (
            {
                "type": "web_search",
                "filters": {"allowed_domains": ["a.example"], "blocked_domains": ["b.example"]},
                "external_web_access": True,
                "search_context_size": "high",
                "user_location": {"type": "approximate", "city": "Oslo"},
                "enable_image_understanding": True,
            },
            {
                "type": "web_search",
                "filters": {"allowed_domains": ["a.example"]},
                "enable_image_understanding": True,
            },
            ["dropped_blocked_domains", "dropped_user_location", "dropped_search_context_size"],
        ),
        (
            {"type": "x_search", "allowed_x_handles": ["xai"], "from_date": "2026-08-01", "a": 1},
            {"type": "x_search", "allowed_x_handles": ["xai"], "from_date": "2026-08-01"},
            [],
        ),
        (
            {"type": "x_search", "allowed_x_handles": ["a"], "excluded_x_handles": ["b"]},
            {"type": "x_search", "allowed_x_handles": ["a"]},
            ["dropped_excluded_x_handles"],
        ),
        (
            {"type": "code_interpreter", "container": {"type": "auto"}},
            {"type": "code_interpreter"},
            [],
        ),
        ({"type": "view_image"}, {"type": "view_image"}, []),
        (
            {"type": "file_search", "vector_store_ids": ["v"], "ranking_options": {}},
            {"type": "file_search", "vector_store_ids": ["v"]},
            [],
        ),
        (
            {"type": "mcp", "server_label": "l", "server_url": "https://a.example", "x": 1},
            {"type": "mcp", "server_url": "https://a.example", "server_label": "l"},
            [],
        ),
    ],
)
def test_hosted_tools_with_what_xai_takes_of_them(
    tool: JsonObject, wanted: JsonObject, notices: list[str]
) -> None:
    call = translated(read(tool))
    assert body_of(call)["tools"] == [wanted]
    assert [notice.code for notice in call.notices] == notices


def test_the_search_of_claude_code_becomes_the_search_of_xai() -> None:
    body = {
        "model": "m",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "News?"}],
        "tools": [
            {
                "type": "web_search_20250305",
                "name": "web_search",
                "max_uses": 8,
                "allowed_domains": ["a.example"],
            }
        ],
    }
    translated_body = asked(degraded(ANTHROPIC.read_request(body, {})))
    assert translated_body["tools"] == [
        {"type": "web_search", "filters": {"allowed_domains": ["a.example"]}}
    ]
    assert "web_search_call.action.sources" in translated_body["include"]


def test_too_many_domains_are_refused() -> None:
    domains = [f"{number}.example" for number in range(6)]
    with pytest.raises(Unsupported, match="at most 5 domains"):
        asked(read({"type": "web_search", "filters": {"allowed_domains": domains}}))


def test_a_function_wins_over_a_hosted_tool_of_its_name() -> None:
    call = translated(read({"type": "web_search"}, {"type": "function", "name": "web_search"}))
    assert [tool["type"] for tool in body_of(call)["tools"]] == ["function"]
    assert [notice.code for notice in call.notices] == ["dropped_hosted_tool"]


def test_a_tool_that_xai_does_not_have_is_refused_by_name() -> None:
    with pytest.raises(Unsupported, match="local_shell"):
        asked(read({"type": "local_shell"}))


@pytest.mark.parametrize(("model", "kinds"), [("grok-4.6", 2), ("grok-4.5", 1), ("grok-4.20-x", 1)])
def test_newer_models_paint_by_themselves(model: str, kinds: int) -> None:
    request = read({"type": "function", "name": "f"}, {"type": "image_generation", "size": "auto"})
    tools = asked(request, model)["tools"]
    assert len(tools) == kinds
    assert tools[1:] in ([], [{"type": "image_generation"}])


# --- the choice ---------------------------------------------------------------------------------

SEARCH = HostedTool("web_search", "web_search")


@each(
    "choice, wanted",
    [
        (ToolChoice(), "auto"),
        (ToolChoice("none"), "none"),
        (ToolChoice("required"), "required"),
        (ToolChoice("tool", ["f"]), {"type": "function", "name": "f"}),
        (ToolChoice("tool", ["gone"]), "auto"),
        (
            ToolChoice("tool", ["web_search"]),
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "web_search"}]},
        ),
        (
            ToolChoice("tool", ["f", "gone"], required_among=False),
            {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "function", "name": "f"}],
            },
        ),
        (ToolChoice("tool", ["gone", "lost"]), "auto"),
    ],
)
def test_the_choice_is_among_what_is_there(choice: ToolChoice, wanted: Any) -> None:
    assert sent(function(), SEARCH, choice=choice)["tool_choice"] == wanted


@pytest.mark.parametrize("parallel", [True, False])
def test_parallel_calls_are_as_the_client_wants_them(parallel: bool) -> None:
    body = sent(function(), choice=ToolChoice(parallel=parallel))
    assert body["parallel_tool_calls"] is parallel
    assert "parallel_tool_calls" not in sent(function())
