"""Recorded requests of Claude Code and of the Anthropic SDK: what the reader makes of each."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inline_snapshot import snapshot

from gateway_core.content import (
    Foreign,
    Media,
    Message,
    Reasoning,
    Seal,
    Text,
    ToolCall,
    ToolResult,
)
from gateway_core.formats.anthropic import read_count_request, read_request
from gateway_core.json import JsonObject, loads_object
from gateway_core.request import (
    FunctionTool,
    HostedTool,
    OutputSpec,
    ReasoningSpec,
    Request,
    Sampling,
    ToolChoice,
)
from support.about import each

CAPTURES = Path(__file__).parents[1] / "captures"
NEW_TOOLS = [
    "Agent",
    "Bash",
    "Edit",
    "ListAgents",
    "Read",
    "ReportFindings",
    "ScheduleWakeup",
    "Skill",
    "ToolSearch",
    "Workflow",
    "Write",
]


def load(name: str) -> tuple[JsonObject, Mapping[str, str]]:
    """Body and headers of a recording, the header names in lower case as a server gives them."""
    recorded = loads_object((CAPTURES / f"{name}.json").read_bytes())["request"]
    return recorded["body"], {key.lower(): value for key, value in recorded["headers"]}


def read(name: str) -> Request:
    return read_request(*load(name))


def message_names() -> list[str]:
    """Every recording of a request for an answer."""
    return sorted(
        path.stem
        for pattern in ("claude-*.json", "anthropic-python-*.json")
        for path in CAPTURES.glob(pattern)
        if loads_object(path.read_bytes())["request"]["path"] == "/v1/messages"
    )


def shape(message: Message) -> str:
    """A message in a line: its role and the kinds of its parts."""
    return f"{message.role}: {' '.join(type(part).__name__ for part in message.parts)}"


@each("name", message_names())
def test_every_recorded_request_is_understood_completely(name: str) -> None:
    body, headers = load(name)
    request = read_request(body, headers)
    assert request.notices == []
    assert request.model == body["model"]
    assert request.stream is body["stream"]
    assert request.sampling.max_output_tokens == body["max_tokens"]
    assert request.source.body is body
    assert not any(isinstance(part, Foreign) for item in request.messages for part in item.parts)
    assert [item.role for item in request.messages] == [item["role"] for item in body["messages"]]


@each("name", [name for name in message_names() if name.startswith("claude-")])
def test_claude_code_requests_name_their_session_and_lose_the_billing_line(name: str) -> None:
    body, headers = load(name)
    request = read_request(body, headers)
    assert request.session.session_id == headers["x-claude-code-session-id"]
    assert [text.text for text in request.instructions] == [
        block["text"] for block in body["system"][1:]
    ]


def test_the_user_id_alone_names_the_session_too() -> None:
    body, headers = load("claude-2.1.329-text")
    assert read_request(body, {}).session.session_id == headers["x-claude-code-session-id"]


def test_first_turn_has_the_environment_as_a_system_message() -> None:
    request = read("claude-2.1.329-text")
    assert [shape(message) for message in request.messages] == snapshot(
        ["user: Text Text", "system: Text"]
    )
    environment = request.messages[1].parts[0]
    assert isinstance(environment, Text)
    assert environment.text.startswith("# Environment")
    assert environment.extras == {"anthropic": {"cache_control": {"type": "ephemeral"}}}


def test_the_placeholder_is_not_among_the_tools() -> None:
    request = read("claude-2.1.329-text")
    assert [tool.name for tool in request.tools] == NEW_TOOLS
    assert all(isinstance(tool, FunctionTool) and tool.strict is None for tool in request.tools)


def test_tool_schemas_are_the_clients_own_objects() -> None:
    body, headers = load("claude-2.1.329-text")
    tool = read_request(body, headers).tools[0]
    assert isinstance(tool, FunctionTool)
    assert tool.parameters is body["tools"][0]["input_schema"]
    assert tool.description == body["tools"][0]["description"]


def test_thinking_and_effort_of_a_turn() -> None:
    reasoning = read("claude-2.1.329-text").reasoning
    assert (reasoning.enabled, reasoning.effort) == (True, "high")
    assert reasoning.summary is None


def test_old_client_offers_its_tools_directly() -> None:
    request = read("claude-2.1.197-text")
    assert len(request.tools) == 24
    assert [shape(message) for message in request.messages] == snapshot(
        ["user: Text Text", "system: Text"]
    )


def test_calls_and_results_alternate_through_a_tool_conversation() -> None:
    request = read("claude-2.1.329-tools-turn4")
    assert [shape(message) for message in request.messages] == snapshot(
        [
            "user: Text Text",
            "system: Text",
            "assistant: Text ToolCall",
            "user: ToolResult",
            "assistant: ToolCall",
            "user: ToolResult",
            "assistant: ToolCall",
            "user: ToolResult",
        ]
    )
    assert request.messages[2].parts == snapshot(
        [
            Text(text="I will write it."),
            ToolCall(
                id="toolu_01ca12817ee92147a287b69c",
                name="Write",
                arguments=(
                    '{"file_path":"/home/user/project/hello.txt","content":"hello gateway\\n"}'
                ),
            ),
        ]
    )
    assert request.messages[7].parts == snapshot(
        [
            ToolResult(
                call_id="toolu_01686dcc2a348546878e9d69",
                content=[
                    Text(
                        text="""\
1	hello gateway
2	\
"""
                    )
                ],
                extras={"anthropic": {"cache_control": {"type": "ephemeral"}}},
            )
        ]
    )


def test_parallel_results_keep_order_and_failure() -> None:
    request = read("claude-2.1.329-parallel-results")
    calls = [part.id for part in request.messages[2].parts if isinstance(part, ToolCall)]
    results = [part for part in request.messages[3].parts if isinstance(part, ToolResult)]
    assert [result.call_id for result in results] == calls
    assert [result.failed for result in results] == [False, True, True]
    assert results[1].content == [Text("Exit code 3\nB")]


def test_signed_thinking_has_a_seal_and_unsigned_has_none() -> None:
    request = read("claude-2.1.197-thinking-history")
    assert request.messages[2].parts[0] == Reasoning(
        "Let me think about the file.", Seal("anthropic", "c2lnbmF0dXJlLW9uZQ==")
    )
    assert request.messages[4].parts[0] == Reasoning("Second thought, no signature.")


def test_tool_references_become_text_and_loaded_tools_plain_tools() -> None:
    request = read("claude-2.1.329-tool-reference")
    result = request.messages[3].parts[0]
    assert isinstance(result, ToolResult)
    assert result.content == snapshot(
        [
            Text(
                text="Tool loaded: NotebookEdit",
                extras={"anthropic": {"tool_reference": "NotebookEdit"}},
            ),
            Text(
                text="Tool loaded: WebSearch", extras={"anthropic": {"tool_reference": "WebSearch"}}
            ),
        ]
    )
    assert [tool.name for tool in request.tools] == sorted(
        [*NEW_TOOLS, "NotebookEdit", "WebSearch"]
    )


def test_an_image_inside_a_tool_result() -> None:
    request = read("claude-2.1.329-mcp-image-result")
    result = request.messages[5].parts[0]
    assert isinstance(result, ToolResult)
    assert [type(part) for part in result.content] == [Text, Media, Text]
    image = result.content[1]
    assert isinstance(image, Media)
    assert (image.kind, image.type) == ("image", "image/png")
    assert image.data is not None
    assert image.data.startswith("iVBORw0KGgo")
    assert request.messages[4].parts == [
        ToolCall("toolu_0149c0ec75a1164c388b9bc9", "mcp__lab__shot", "{}")
    ]


def test_compaction_keeps_cache_marks_on_calls() -> None:
    request = read("claude-2.1.329-compact")
    call = request.messages[2].parts[0]
    assert isinstance(call, ToolCall)
    assert call.arguments == '{"command":"seq 1 2000","description":"numbers"}'
    assert call.extras == {"anthropic": {"cache_control": {"type": "ephemeral"}}}
    assert [shape(message) for message in request.messages] == snapshot(
        ["user: Text", "system: Text", "assistant: ToolCall", "user: ToolResult Text"]
    )


def test_the_fallback_request_does_not_stream() -> None:
    assert read("claude-2.1.329-nonstream-fallback").stream is False


def test_a_title_request_asks_for_json_under_a_schema() -> None:
    request = read("claude-2.1.197-title")
    assert request.tools == []
    assert request.reasoning.enabled is None
    assert request.output == snapshot(
        OutputSpec(
            kind="json_schema",
            schema={
                "type": "object",
                "properties": {"title": {"type": "string"}},
                "required": ["title"],
                "additionalProperties": False,
            },
        )
    )


def test_the_inner_web_search_offers_a_hosted_tool() -> None:
    body, headers = load("claude-2.1.197-websearch-inner")
    request = read_request(body, headers)
    (tool,) = request.tools
    assert isinstance(tool, HostedTool)
    assert (tool.kind, tool.name) == ("web_search", "web_search")
    assert tool.options == snapshot({"allowed_domains": ["example.com"], "max_uses": 8})
    assert request.tool_choice == ToolChoice("auto")


def test_a_subagent_names_itself_and_turns_thinking_off() -> None:
    request = read("claude-2.1.197-subagent-haiku")
    assert request.model == "claude-haiku-4-5-20251001"
    assert request.session.agent_id == "ac8c79905e9b53cc5"
    assert request.reasoning.enabled is False
    assert request.reasoning.effective_effort == "none"
    assert request.sampling == Sampling(max_output_tokens=32000, temperature=1.0)


def test_a_count_request_needs_no_limit_and_no_system() -> None:
    request = read_count_request(*load("claude-2.1.329-count-tokens"))
    assert request.messages == [Message("user", [Text("foo")])]
    assert [tool.name for tool in request.tools] == ["Skill"]
    assert request.sampling.max_output_tokens is None
    assert request.stream is False


def test_the_sdk_request_in_full() -> None:
    request = read("anthropic-python-2.11-messages-tools")
    seen: dict[str, Any] = {
        "messages": request.messages,
        "instructions": request.instructions,
        "tool_choice": request.tool_choice,
        "sampling": request.sampling,
        "reasoning": request.reasoning,
        "user": request.session.user,
    }
    assert seen == snapshot(
        {
            "messages": [
                Message(
                    role="user",
                    parts=[
                        Text(text="Weather?"),
                        Media(kind="image", url="https://example.com/a.png"),
                        Media(
                            kind="document",
                            type="text/plain",
                            name="n",
                            data="notes",
                            extras={"anthropic": {"citations": {"enabled": True}}},
                        ),
                    ],
                ),
                Message(
                    role="assistant",
                    parts=[
                        Reasoning(text="hm", seal=Seal(issuer="anthropic", data="c2ln")),
                        ToolCall(
                            id="toolu_a",
                            name="get_weather",
                            arguments='{"city":"Paris","unit":null}',
                        ),
                        ToolCall(
                            id="toolu_b", name="get_weather", arguments='{"city":"Rome","unit":"c"}'
                        ),
                    ],
                ),
                Message(
                    role="user",
                    parts=[
                        ToolResult(call_id="toolu_b", content=[Text(text="rain")]),
                        ToolResult(call_id="toolu_a", content=[Text(text="no data")], failed=True),
                        Text(text="Go on."),
                    ],
                ),
            ],
            "instructions": [
                Text(
                    text="Be brief.", extras={"anthropic": {"cache_control": {"type": "ephemeral"}}}
                )
            ],
            "tool_choice": ToolChoice(parallel=False),
            "sampling": Sampling(max_output_tokens=700, stop=["END"]),
            "reasoning": ReasoningSpec(enabled=True, budget_tokens=1024),
            "user": "u-1",
        }
    )
    function, search = request.tools
    assert isinstance(function, FunctionTool)
    assert isinstance(search, HostedTool)
    assert search.options == snapshot({"max_uses": 2})
