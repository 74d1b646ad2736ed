"""Writing tools and tool choice of Responses requests for an upstream."""

from typing import Any

import pytest
from inline_snapshot import snapshot

from gateway_core.errors import Unsupported
from gateway_core.formats.responses import read_request, write_request
from gateway_core.json import JsonObject
from gateway_core.request import CustomTool, FunctionTool, HostedTool, Request, Tool, ToolChoice
from support.about import each

SCHEMA: JsonObject = {"type": "object", "properties": {}}


def with_tools(*tools: Tool, choice: ToolChoice | None = None, **options: Any) -> JsonObject:
    request = Request("x", [], tools=[*tools], tool_choice=choice or ToolChoice())
    return write_request(request, "m", issuer="codex", **options)


def test_tools_of_all_kinds() -> None:
    body = with_tools(
        FunctionTool("f", "Does", SCHEMA),
        FunctionTool("g", None, {"type": "object"}, strict=True),
        CustomTool("patch", "Patches", {"type": "text"}),
        HostedTool(
            "web_search",
            "web_search",
            {
                "allowed_domains": ["a.example"],
                "user_location": {"city": "Riga"},
                "context_size": "low",
                "max_uses": 3,
            },
        ),
        HostedTool("image_generation", "image_generation", {"size": "auto"}),
        HostedTool("local_shell", "local_shell"),
    )
    assert body["tools"] == snapshot(
        [
            {
                "type": "function",
                "name": "f",
                "description": "Does",
                "strict": False,
                "parameters": {"type": "object", "properties": {}},
            },
            {
                "type": "function",
                "name": "g",
                "strict": True,
                "parameters": {"type": "object", "properties": {}},
            },
            {
                "type": "custom",
                "name": "patch",
                "description": "Patches",
                "format": {"type": "text"},
            },
            {
                "type": "web_search",
                "filters": {"allowed_domains": ["a.example"]},
                "user_location": {"type": "approximate", "city": "Riga"},
                "search_context_size": "low",
            },
            {"type": "image_generation", "size": "auto"},
            {"type": "local_shell"},
        ]
    )
    assert body["tool_choice"] == "auto"


def test_the_clients_own_search_options_go_along() -> None:
    original = {"type": "web_search", "external_web_access": True, "search_context_size": "high"}
    tool = HostedTool("web_search", "web_search", {"context_size": "low"}, {"responses": original})
    assert with_tools(tool)["tools"] == [
        {"type": "web_search", "external_web_access": True, "search_context_size": "low"}
    ]


def test_a_hosted_tool_of_another_format_is_refused_by_name() -> None:
    with pytest.raises(Unsupported, match="code_execution"):
        with_tools(HostedTool("code_execution_20250825", "code_execution"))


def read_namespace() -> Request:
    tools = [
        {"type": "function", "name": "list", "parameters": SCHEMA, "strict": False},
        {"type": "function", "name": "get", "parameters": SCHEMA, "strict": False},
    ]
    group = {"type": "namespace", "name": "crm", "description": "Customers", "tools": tools}
    call = {
        "type": "function_call",
        "call_id": "c",
        "namespace": "crm",
        "name": "list",
        "arguments": "{}",
    }
    choice = {"type": "function", "namespace": "crm", "name": "get"}
    body = {"model": "m", "input": [call], "tools": [group], "tool_choice": choice}
    return read_request(body, {})


def test_namespaces_are_rebuilt() -> None:
    request = read_namespace()
    body = write_request(request, "m", issuer="codex")
    source = request.source.body
    assert {key: body[key] for key in source} == source


def test_an_upstream_without_namespaces_gets_flat_names() -> None:
    body = write_request(read_namespace(), "m", issuer="grok", namespaces=False)
    assert [tool["name"] for tool in body["tools"]] == ["crm__list", "crm__get"]
    assert {tool["type"] for tool in body["tools"]} == {"function"}
    assert body["input"][0]["name"] == "crm__list"
    assert body["tool_choice"] == {"type": "function", "name": "crm__get"}


@each(
    "choice, written",
    [
        (ToolChoice("required"), "required"),
        (ToolChoice("tool", ["f"]), {"type": "function", "name": "f"}),
        (ToolChoice("tool", ["patch"]), {"type": "custom", "name": "patch"}),
        (ToolChoice("tool", ["web_search"]), {"type": "web_search"}),
        (ToolChoice("tool", ["wiki"]), {"type": "mcp", "server_label": "wiki"}),
        (
            ToolChoice("tool", ["f", "web_search"], required_among=False),
            {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "function", "name": "f"}, {"type": "web_search"}],
            },
        ),
    ],
)
def test_the_choice_of_tools(choice: ToolChoice, written: object) -> None:
    tools = FunctionTool("f", None, SCHEMA), CustomTool("patch", None)
    wiki = HostedTool("mcp", "wiki", extras={"responses": {"type": "mcp", "server_label": "wiki"}})
    search = HostedTool("web_search", "web_search")
    body = with_tools(*tools, search, wiki, choice=choice)
    assert body["tool_choice"] == written


def test_parallel_calls_are_said_beside_the_tools_only() -> None:
    choice = ToolChoice(parallel=False)
    assert (
        with_tools(FunctionTool("f", None, SCHEMA), choice=choice)["parallel_tool_calls"] is False
    )
    assert "parallel_tool_calls" not in with_tools(choice=choice)
    assert "tool_choice" not in with_tools(choice=choice)
