"""Tools as they are offered, and calls of them."""

from itertools import product

import pytest

from gateway_core import FunctionTool, InvalidRequest, JsonObject
from gateway_cursor.proto import agent_pb2 as pb
from gateway_cursor.tools import MOST_BYTES, ToolTable, fitting, shown_name
from gateway_cursor.values import from_value, to_value
from support.about import about
from support.cursor_asking import FIXTURES, fixture

READ: JsonObject = {
    "type": "object",
    "properties": {
        "file_path": {"type": "string", "description": "Absolute path"},
        "limit": {"type": "integer"},
    },
    "required": ["file_path"],
}
BASH: JsonObject = {
    "type": "object",
    "properties": {"command": {"type": "string"}},
    "required": ["command"],
}

TAKEN = (
    "AskQuestion",
    "Delete",
    "Glob",
    "Grep",
    "ListMcpResources",
    "Read",
    "ReadLints",
    "Shell",
    "SwitchMode",
    "Task",
    "TodoWrite",
    "WebFetch",
    "WebSearch",
    "Write",
)


def tool(name: str, schema: JsonObject | None = None, description: str = "d") -> FunctionTool:
    return FunctionTool(name, description, schema or {"type": "object", "properties": {}})


def table(*names: str) -> ToolTable:
    return ToolTable(tool(name) for name in names)


def called(name: str = "", tool_name: str = "", **arguments: object) -> pb.McpArgs:
    args = {key: to_value(value) for key, value in arguments.items()}
    return pb.McpArgs(name=name, tool_name=tool_name, args=args)


def recorded_call(name: str) -> pb.McpArgs:
    (path,) = FIXTURES.glob(f"{name}-*.bin")
    return pb.AgentServerMessage.FromString(path.read_bytes()[5:]).exec_server_message.mcp_args


def test_tools_are_defined_as_in_the_fixture() -> None:
    tools = ToolTable(
        [
            tool("Read", READ, "Read a file from the local disk."),
            tool("Bash", BASH, "Run a shell command."),
        ]
    )
    assert list(tools.definitions) == list(fixture("c02").run_request.mcp_tools.mcp_tools)
    assert tools.names == ("mcp_Read", "Bash")


def test_the_recorded_calls_are_resolved() -> None:
    tools = ToolTable([tool("Read", READ), tool("Bash", BASH)])
    first, second = recorded_call("s21"), recorded_call("s22")
    assert tools.resolve(first) == "Read"
    assert tools.arguments("Read", first) == '{"file_path":"/home/dev/a.txt","limit":5}'
    assert tools.resolve(second) == "Bash"
    assert tools.arguments("Bash", second) == (
        '{"command":"ls -la","env":{"A":"1","list":[1,2.5,true],"n":null}}'
    )


def test_names_of_cursors_own_tools_are_not_shown() -> None:
    for name in TAKEN:
        with about(name):
            assert shown_name(name) == f"mcp_{name}"
            assert table(name).definitions[0].tool_name == name


def test_other_names_are_shown_as_they_are() -> None:
    for name in ["Bash", "Edit", "LS", "read", "mcp__files__read", "a-b_c1"]:
        with about(name):
            assert shown_name(name) == name


def test_names_that_do_not_fit_are_shown_in_a_form_that_does() -> None:
    for name in ["files.read", "ö", "x" * 65, "1st", "a b"]:
        with about(name):
            shown = shown_name(name)
            assert len(shown) <= 64 and shown[0].isalpha()
            assert shown.replace("_", "").replace("-", "").isascii()
            assert table(name).resolve(called(shown)) == name


def test_two_tools_never_share_a_name() -> None:
    names = ("mcp_Read", "Read", "mcp_mcp_Read", "a.b", "a_b", shown_name("a.b"))
    tools = table(*names)
    assert len(set(tools.names)) == len(names)
    for shown, name in zip(tools.names, names, strict=True):
        assert tools.resolve(called(shown)) == name
        assert tools.resolve(called(shown, name)) == name


def test_a_call_is_resolved_by_any_spelling() -> None:
    for said, name in [
        (called(tool_name="Read"), "Read"),
        (called("mcp_Read", "Read"), "Read"),
        (called("mcp_Read"), "Read"),
        (called("mcp_gateway_Read"), "Read"),
        (called("mcp_gateway_mcp_Read"), "Read"),
        (called("mcp__gateway__Bash"), "Bash"),
        (called("gateway-Bash", "gateway-Bash"), "Bash"),
        (called("bash"), "Bash"),
        (called("mcp_read"), "Read"),
        (called("unknown", "Bash"), "Bash"),
        (called("Write"), None),
        (called(), None),
    ]:
        with about(said):
            assert table("Read", "Bash").resolve(said) == name


def test_a_spelling_that_means_two_tools_means_none() -> None:
    tools = table("bash", "Bash")
    assert tools.resolve(called("BASH")) is None
    assert tools.resolve(called("Bash")) == "Bash"


def test_of_two_tools_with_one_name_the_first_counts() -> None:
    tools = ToolTable([tool("a", READ, "first"), tool("a", BASH, "second")])
    assert [definition.description for definition in tools.definitions] == ["first"]


def test_arguments_of_an_unknown_tool_and_no_arguments() -> None:
    assert table("a").arguments("b", called(x=1)) == '{"x":1}'
    assert table("a").arguments("a", called()) == "{}"


def test_a_table_is_equal_to_one_of_the_same_tools() -> None:
    assert table("a", "Read") == table("a", "Read")
    assert table("a") != table("b")
    assert ToolTable() == ToolTable([])


def test_a_tool_without_a_name_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="name"):
        table("")


def test_a_schema_that_is_nested_too_deep_is_refused_by_the_name_of_its_tool() -> None:
    schema: JsonObject = {"type": "string"}
    for _ in range(100):
        schema = {"type": "array", "items": schema}
    with pytest.raises(InvalidRequest, match="'deep'"):
        ToolTable([tool("deep", {"type": "object", "properties": {"x": schema}})])


def test_tools_within_the_budget_are_as_they_are() -> None:
    tools = [tool(f"t{n}", READ, "words " * 500) for n in range(30)]
    fit, trimmed = fitting(tools)
    assert fit == ToolTable(tools) and not trimmed


@pytest.mark.parametrize(("long", "wordy"), list(product([True, False], repeat=2))[:3])
def test_tools_beyond_the_budget_lose_words_and_nothing_else(long: bool, wordy: bool) -> None:
    schema: JsonObject = {
        "type": "object",
        "properties": {
            "description": {"type": "string", "description": "w" * (4_000 if wordy else 4)}
        },
    }
    tools = [tool(f"t{n}", schema, "w" * (9_000 if long else 9)) for n in range(40)]
    fit, trimmed = fitting(tools)
    assert trimmed
    assert sum(definition.ByteSize() for definition in fit.definitions) <= MOST_BYTES
    first = fit.definitions[0]
    assert len(first.description) == (600 if long else 9)
    member = from_value(first.input_schema)["properties"]["description"]
    assert member == ({"type": "string"} if wordy else {"type": "string", "description": "wwww"})
