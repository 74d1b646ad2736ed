"""What Cursor is told of the surroundings and the rules."""

import json
from pathlib import Path

from gateway_core import FunctionTool
from gateway_core.formats.anthropic import FORMAT as ANTHROPIC
from gateway_core.formats.responses import FORMAT as RESPONSES
from gateway_cursor.context import Place, read_place, request_context
from gateway_cursor.tools import ToolTable
from gateway_cursor.values import from_value
from support.about import about
from support.cursor_asking import degraded, fixture, planned

CAPTURES = Path(__file__).parents[1] / "captures"


def test_the_context_is_that_of_the_fixture() -> None:
    recorded = fixture("c10").exec_client_message.request_context_result.success.request_context
    tools = ToolTable(
        FunctionTool(tool.tool_name, tool.description, from_value(tool.input_schema))
        for tool in recorded.tools
    )
    place = Place(shell="/bin/bash", system="linux x64")
    context = request_context(place, tools, "You are terse.")
    (told,), (expected,) = context.mcp_instructions, recorded.mcp_instructions
    assert told.server_name == expected.server_name
    assert told.server_identifier == expected.server_identifier
    told.instructions = expected.instructions
    assert context == recorded


def test_without_tools_and_rules_neither_is_told() -> None:
    context = request_context(Place(), ToolTable(), "")
    assert not context.tools and not context.mcp_instructions
    assert not context.HasField("cloud_rule")
    assert not context.HasField("web_search_enabled")
    assert context.mcp_info_complete and context.rules_info_complete


def test_definitions_can_be_left_to_the_run_request() -> None:
    tools = ToolTable([FunctionTool("a", "d", {})])
    context = request_context(Place(), tools, "", with_tools=False)
    assert not context.tools
    assert context.mcp_instructions


def test_search_is_told_where_it_is_allowed() -> None:
    assert request_context(Place(), ToolTable(), "", search=True).web_search_enabled


def test_what_the_prompts_of_clients_tell_of_their_place() -> None:
    for text, place in [
        ("Nothing of the kind.", Place()),
        ("The working directory: is where you work", Place()),
        (
            "# Environment\n - Primary working directory: /home/dev/a b\n - Shell: zsh\n"
            " - OS Version: Darwin 25.1.0\n",
            Place("/home/dev/a b", "zsh", "Darwin 25.1.0"),
        ),
        ("<env>\nWorking directory: /srv\nPlatform: linux\n</env>", Place("/srv")),
        ("Working directory: C:\\Users\\dev", Place("C:\\Users\\dev")),
        (
            "<environment_context>\n  <cwd>/home/dev</cwd>\n  <shell>fish</shell>\n",
            Place("/home/dev", "fish"),
        ),
    ]:
        with about(text):
            assert read_place(["first", text, "Working directory: /other"]) == (
                place if place.folder else Place("/other")
            )


def test_the_place_is_read_from_what_claude_code_sends() -> None:
    capture = json.loads((CAPTURES / "claude-2.1.329-text.json").read_text())
    request = ANTHROPIC.read_request(capture["request"]["body"], {})
    env = planned(degraded(request)).context.env
    assert list(env.workspace_paths) == ["/home/user/project"]
    assert (env.shell, env.os_version, env.time_zone) == ("bash", "Linux 6.8.0", "UTC")


def test_the_place_is_read_from_what_codex_sends() -> None:
    capture = json.loads((CAPTURES / "codex-0.169-text.json").read_text())
    request = RESPONSES.read_request(capture["request"]["body"], {})
    env = planned(degraded(request)).context.env
    assert list(env.workspace_paths) == ["/home/user/project"]
    assert env.shell == "bash"


def test_the_surroundings_are_looked_for_in_no_time_whatever_the_text_is() -> None:
    assert read_place([" " * 1_000_000, f"Working directory:{' ' * 100_000}"]) == Place()
