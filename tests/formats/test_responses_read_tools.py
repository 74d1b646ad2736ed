"""Reading tools and tool choice of Responses requests."""

from typing import Any

import pytest

from gateway_core.formats.responses import read_request
from gateway_core.json import JsonObject
from gateway_core.request import CustomTool, FunctionTool, HostedTool, Tool, ToolChoice
from support.about import each

SCHEMA: JsonObject = {"type": "object", "properties": {"a": {"type": "string"}}}
SEARCH = {
    "type": "web_search_preview_2025_03_11",
    "external_web_access": True,
    "search_context_size": "high",
    "filters": {"allowed_domains": ["a.example"], "blocked_domains": ["b.example"]},
    "user_location": {"type": "approximate", "city": "Riga", "country": "LV", "region": None},
}
IMAGES = {"type": "image_generation", "size": "1024x1024", "action": "edit", "quality": None}
NAMESPACE = {
    "type": "namespace",
    "name": "crm",
    "description": "Customers",
    "tools": [
        {"type": "function", "name": "list", "parameters": SCHEMA, "defer_loading": True},
        {"type": "custom", "name": "note"},
    ],
}


def read(*tools: JsonObject) -> list[Tool]:
    return read_request({"model": "m", "input": "Hi", "tools": [*tools]}, {}).tools


def choose(choice: Any, **fields: Any) -> ToolChoice:
    body = {"model": "m", "input": "Hi", "tool_choice": choice, **fields}
    return read_request(body, {}).tool_choice


def test_a_function() -> None:
    tool = {
        "type": "function",
        "name": "f",
        "description": "Does",
        "parameters": SCHEMA,
        "strict": True,
    }
    assert read(tool) == [FunctionTool("f", "Does", SCHEMA, True)]


def test_a_function_that_says_little() -> None:
    tool = {"type": "function", "name": "f", "description": None, "parameters": None}
    assert read(tool) == [FunctionTool("f", None, {"type": "object", "properties": {}})]


def test_a_custom_tool_with_a_grammar() -> None:
    grammar = {"type": "grammar", "syntax": "lark", "definition": "start: X"}
    tool = {"type": "custom", "name": "patch", "description": "Patches", "format": grammar}
    assert read(tool) == [CustomTool("patch", "Patches", grammar)]


def test_any_web_search_is_the_canonical_one() -> None:
    (tool,) = read(SEARCH)
    assert isinstance(tool, HostedTool)
    assert (tool.kind, tool.name) == ("web_search", "web_search")
    assert tool.options == {
        "allowed_domains": ["a.example"],
        "blocked_domains": ["b.example"],
        "user_location": {"city": "Riga", "country": "LV"},
        "context_size": "high",
    }
    assert tool.extras == {"responses": SEARCH}


def test_image_generation() -> None:
    assert read(IMAGES) == [
        HostedTool(
            "image_generation", "image_generation", {"size": "1024x1024"}, {"responses": IMAGES}
        )
    ]


def test_a_bare_hosted_tool_needs_no_extras() -> None:
    assert read({"type": "web_search"}) == [HostedTool("web_search", "web_search")]


@each(
    "tool, name",
    [
        ({"type": "local_shell"}, "local_shell"),
        ({"type": "tool_search", "execution": "client"}, "tool_search"),
        (
            {"type": "mcp", "server_label": "deepwiki", "server_url": "https://a.example"},
            "deepwiki",
        ),
        ({"type": "file_search", "vector_store_ids": ["v"]}, "file_search"),
        ({"type": "from_the_future"}, "from_the_future"),
    ],
)
def test_other_hosted_tools_are_kept_by_their_own_name(tool: JsonObject, name: str) -> None:
    extras = None if len(tool) == 1 else {"responses": tool}
    assert read(tool) == [HostedTool(str(tool["type"]), name, {}, extras)]


def test_tools_of_a_namespace_stand_alone_and_remember_it() -> None:
    group = {"type": "namespace", "name": "crm", "description": "Customers"}
    kept = {"defer_loading": True, "name": "list", "namespace": group}
    assert read(NAMESPACE) == [
        FunctionTool("crm__list", None, SCHEMA, extras={"responses": kept}),
        CustomTool("crm__note", None, extras={"responses": {"name": "note", "namespace": group}}),
    ]


def test_a_hosted_tool_in_a_namespace_remembers_it() -> None:
    group = {"type": "namespace", "name": "crm"}
    assert read({**group, "tools": [{"type": "web_search"}]}) == [
        HostedTool(
            "web_search",
            "web_search",
            extras={"responses": {"type": "web_search", "namespace": group}},
        )
    ]


@pytest.mark.parametrize("kind", ["function", "custom", "web_search"])
def test_a_stray_namespace_beside_a_tool_means_nothing(kind: str) -> None:
    (tool,) = read({"type": kind, "name": "f", "namespace": []})
    assert "namespace" not in (tool.extras or {}).get("responses", {})


@each(
    "choice, expected",
    [
        (None, ToolChoice()),
        ("auto", ToolChoice("auto")),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        ({"type": "function", "name": "f"}, ToolChoice("tool", ["f"])),
        ({"type": "custom", "name": "patch"}, ToolChoice("tool", ["patch"])),
        ({"type": "function", "name": "f", "namespace": "crm"}, ToolChoice("tool", ["crm__f"])),
        ({"type": "web_search_preview"}, ToolChoice("tool", ["web_search"])),
        ({"type": "mcp", "server_label": "wiki"}, ToolChoice("tool", ["wiki"])),
    ],
)
def test_the_choice_of_tools(choice: Any, expected: ToolChoice) -> None:
    assert choose(choice) == expected


@pytest.mark.parametrize(("mode", "among"), [("required", True), ("auto", False)])
def test_the_choice_among_some_tools(mode: str, among: bool) -> None:
    tools = [{"type": "function", "name": "f"}, {"type": "web_search"}]
    choice = {"type": "allowed_tools", "mode": mode, "tools": tools}
    assert choose(choice) == ToolChoice("tool", ["f", "web_search"], among)


def test_the_choice_among_no_tools_is_none() -> None:
    assert choose({"type": "allowed_tools", "mode": "auto", "tools": []}) == ToolChoice("none")


def test_parallel_calls_belong_to_the_choice() -> None:
    assert choose(None, parallel_tool_calls=False) == ToolChoice(parallel=False)
