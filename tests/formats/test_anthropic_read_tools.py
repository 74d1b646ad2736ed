"""Tools and tool choice of Anthropic requests."""

from typing import Any

import pytest

from gateway_core.degrade import degrade
from gateway_core.errors import Unsupported
from gateway_core.formats.anthropic import read_request
from gateway_core.json import JsonObject
from gateway_core.provider import Capabilities
from gateway_core.request import FunctionTool, HostedTool, Request, Tool, ToolChoice
from support.about import each

SCHEMA = {"type": "object", "properties": {}}


def read(**fields: Any) -> Request:
    messages = [{"role": "user", "content": "Hi"}]
    return read_request({"model": "m", "messages": messages, **fields}, {})


def read_tool(**tool: Any) -> Tool:
    (result,) = read(tools=[tool]).tools
    return result


@pytest.mark.parametrize("kind", [{}, {"type": "custom"}, {"type": None}])
def test_a_tool_of_the_client(kind: JsonObject) -> None:
    assert read_tool(name="f", description="d", input_schema=SCHEMA, **kind) == FunctionTool(
        "f", "d", SCHEMA
    )


@pytest.mark.parametrize("strict", [True, False, None])
def test_strictness_is_as_the_client_said(strict: bool | None) -> None:
    tool = read_tool(name="f", input_schema=SCHEMA, strict=strict)
    assert isinstance(tool, FunctionTool)
    assert tool.strict is strict


def test_a_deferred_tool_is_sent_like_any_other_and_the_placeholder_is_not() -> None:
    tools = read(
        tools=[
            {"name": "A", "input_schema": SCHEMA, "defer_loading": True},
            {"name": "DeferredToolPlaceholder", "input_schema": SCHEMA, "defer_loading": True},
            {"name": "B", "input_schema": SCHEMA},
        ]
    ).tools
    assert tools == [
        FunctionTool("A", None, SCHEMA, extras={"anthropic": {"defer_loading": True}}),
        FunctionTool("B", None, SCHEMA),
    ]


@pytest.mark.parametrize("version", ["web_search_20250305", "web_search_20260318", "web_search"])
def test_web_search_of_any_version(version: str) -> None:
    location = {"type": "approximate", "city": "Rome", "country": "IT", "region": None}
    tool = {
        "type": version,
        "name": "web_search",
        "max_uses": 8,
        "allowed_domains": ["a.example"],
        "blocked_domains": [],
        "user_location": location,
    }
    options = {
        "allowed_domains": ["a.example"],
        "max_uses": 8,
        "user_location": {"city": "Rome", "country": "IT"},
    }
    assert read_tool(**tool) == HostedTool(
        "web_search", "web_search", options, extras={"anthropic": tool}
    )


@pytest.mark.parametrize(
    "tool",
    [
        {"name": "image_generation", "size": "1024x1024"},
        {"type": "image_generation", "size": "1024x1024"},
        {"type": "image_generation_20260101", "name": "image_generation", "size": "1024x1024"},
    ],
)
def test_image_generation_is_a_hosted_extension(tool: JsonObject) -> None:
    read = read_tool(**tool)
    assert isinstance(read, HostedTool)
    assert (read.kind, read.name) == ("image_generation", "image_generation")
    assert read.options == {"size": "1024x1024"}


def test_a_tool_of_the_client_may_be_called_image_generation() -> None:
    tool = read_tool(name="image_generation", input_schema=SCHEMA)
    assert tool == FunctionTool("image_generation", None, SCHEMA)


@each(
    "tool, name",
    [
        ({"type": "bash_20250124", "name": "bash"}, "bash"),
        ({"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"}, None),
        ({"type": "computer_20250124", "name": "computer", "display_width_px": 9}, "computer"),
        ({"type": "code_execution_20260521", "name": "code_execution"}, "code_execution"),
        ({"type": "memory_20250818", "name": "memory"}, "memory"),
        ({"type": "mcp_toolset", "mcp_server_name": "s"}, "mcp_toolset"),
    ],
)
def test_tools_typed_by_the_vendor_are_hosted(tool: JsonObject, name: str | None) -> None:
    assert read_tool(**tool) == HostedTool(
        tool["type"], name or tool["name"], extras={"anthropic": tool}
    )


def test_mcp_servers_are_a_hosted_tool_unless_a_toolset_names_them() -> None:
    servers = [{"type": "url", "url": "https://mcp.example", "name": "s"}]
    toolset = {"type": "mcp_toolset", "mcp_server_name": "s"}
    assert [tool.name for tool in read(mcp_servers=servers).tools] == ["mcp_servers"]
    both = read(mcp_servers=servers, tools=[toolset])
    assert [tool.name for tool in both.tools] == ["mcp_toolset"]
    assert read(mcp_servers=[]).tools == []


def test_mcp_servers_beside_other_tools_are_left_out_with_a_notice() -> None:
    servers = [{"type": "url", "url": "https://mcp.example", "name": "s"}]
    asked = read(mcp_servers=servers, tools=[{"name": "f", "input_schema": SCHEMA}])
    request, [notice] = degrade(asked, Capabilities(), "acme/one")
    assert [tool.name for tool in request.tools] == ["f"]
    assert notice.message == "acme/one cannot run the tool 'mcp_servers': it was left out"
    with pytest.raises(Unsupported, match="cannot run the tool 'mcp_servers'"):
        degrade(read(mcp_servers=servers), Capabilities(), "acme/one")


@each(
    "choice, expected",
    [
        ({"type": "auto"}, ToolChoice()),
        ({"type": "auto", "disable_parallel_tool_use": True}, ToolChoice(parallel=False)),
        (
            {"type": "any", "disable_parallel_tool_use": False},
            ToolChoice("required", parallel=True),
        ),
        ({"type": "tool", "name": "f"}, ToolChoice("tool", ["f"])),
        ({"type": "none"}, ToolChoice("none")),
    ],
)
def test_tool_choice(choice: JsonObject, expected: ToolChoice) -> None:
    assert read(tool_choice=choice).tool_choice == expected


def test_a_newer_tool_choice_is_left_out_with_a_notice() -> None:
    request = read(tool_choice={"type": "best"})
    assert request.tool_choice == ToolChoice()
    assert [notice.code for notice in request.notices] == ["unknown_tool_choice"]


def test_system_messages_add_and_withdraw_tools() -> None:
    definition = {"name": "C", "input_schema": SCHEMA}
    changes = [
        {"type": "tool_removal", "tool": {"type": "tool_reference", "name": "A"}},
        {"type": "tool_addition", "tool": {"type": "tool_reference", "name": "B"}},
        {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": definition}},
    ]
    request = read(
        tools=[{"name": "A", "input_schema": SCHEMA}, {"name": "B", "input_schema": SCHEMA}],
        messages=[
            {"role": "user", "content": "Hi"},
            {"role": "system", "content": [{"type": "text", "text": "Changed."}, *changes]},
        ],
    )
    assert [tool.name for tool in request.tools] == ["B", "C"]
    assert [len(message.parts) for message in request.messages] == [1, 1]
