"""Recorded requests of Codex CLI and of the OpenAI SDK: what the reader makes of each."""

from collections.abc import Mapping
from pathlib import Path

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
from gateway_core.formats.responses import read_request, write_request
from gateway_core.json import JsonObject, loads_object
from gateway_core.request import (
    CustomTool,
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
ITEM_FIELDS = ("id", "status", "phase", "internal_chat_message_metadata_passthrough")
# Written by OpenAI into its own items, and left out by us where they are empty.
EMPTY_FIELDS = ("annotations", "logprobs")


def recordings() -> dict[str, tuple[JsonObject, Mapping[str, str]]]:
    """Bodies and headers of all recordings; a WebSocket frame counts as a body."""
    found: dict[str, tuple[JsonObject, Mapping[str, str]]] = {}
    for pattern in ("codex-*.json", "openai-python-*-responses-*.json"):
        for path in sorted(CAPTURES.glob(pattern)):
            recorded = loads_object(path.read_bytes())
            headers = {key.lower(): value for key, value in recorded["request"]["headers"]}
            if recorded["request"]["body"] is not None:
                found[path.stem] = recorded["request"]["body"], headers
            for index, frame in enumerate(recorded.get("frames", ())):
                found[f"{path.stem} {index}"] = frame["body"], headers
    return found


RECORDINGS = recordings()
CODEX = [name for name in RECORDINGS if name.startswith("codex")]


def read(name: str) -> Request:
    return read_request(*RECORDINGS[name])


def shape(message: Message) -> str:
    """A message in a line: its role and the kinds of its parts."""
    return f"{message.role}: {' '.join(type(part).__name__ for part in message.parts)}"


def shapes(name: str) -> list[str]:
    return [shape(message) for message in read(name).messages]


@each("name", RECORDINGS)
def test_every_recorded_request_is_understood_completely(name: str) -> None:
    body, _ = RECORDINGS[name]
    request = read(name)
    assert request.notices == []
    assert request.model == body["model"]
    assert request.stream is body.get("stream", False)
    assert request.session.store is False
    assert request.source.body is body


@each("name", CODEX)
def test_codex_requests_carry_their_thread_and_effort(name: str) -> None:
    request = read(name)
    assert request.session.session_id == request.session.cache_key
    assert request.reasoning == ReasoningSpec(effort="medium")
    assert request.output == OutputSpec(verbosity="low")
    assert request.tool_choice == ToolChoice("auto", parallel=True)


@each("name", RECORDINGS)
def test_what_was_read_is_written_and_read_as_the_same(name: str) -> None:
    request = read(name)
    body = write_request(request, request.model, issuer="responses", item_fields=ITEM_FIELDS)
    again = read_request(body, {})
    assert again.instructions == request.instructions
    assert again.messages == request.messages
    assert again.tools == request.tools
    assert again.tool_choice == request.tool_choice
    assert again.output == request.output
    assert again.sampling == request.sampling
    assert again.reasoning == request.reasoning


@each("name", CODEX)
def test_codex_gets_its_own_json_back(name: str) -> None:
    body, _ = RECORDINGS[name]
    request = read(name)
    written = write_request(request, request.model, issuer="responses", item_fields=ITEM_FIELDS)
    assert written["input"] == without_empty_fields(body["input"])
    not_written = {"client_metadata", "type", "generate", "previous_response_id"}
    assert {key: body[key] for key in body if key not in not_written | {"input"}} == {
        key: value for key, value in written.items() if key != "input"
    }


def without_empty_fields(value: object) -> object:
    """The input without what is empty or null and has another spelling by being left out."""
    if isinstance(value, dict):
        return {
            key: without_empty_fields(item)
            for key, item in value.items()
            if item is not None and not (key in EMPTY_FIELDS and item == [])
        }
    return [without_empty_fields(item) for item in value] if isinstance(value, list) else value


def test_a_tool_turn_of_codex_alternates_between_model_and_user() -> None:
    assert shapes("codex-0.169-tools-turn4") == snapshot(
        [
            "system: Text",
            "system: Text Text Text",
            "user: Text",
            "user: Text",
            "assistant: Reasoning Text ToolCall",
            "user: ToolResult",
            "assistant: Reasoning ToolCall",
            "user: ToolResult",
            "assistant: ToolCall ToolCall",
            "user: ToolResult ToolResult",
        ]
    )


def test_reasoning_and_a_text_keep_what_their_items_say() -> None:
    reasoning, text, call = read("codex-0.169-tools-turn4").messages[4].parts
    assert reasoning == Reasoning(
        "**Planning** the file",
        Seal("responses", "gAAAAABmade-up-encrypted-one==", "rs_78575e46c5e54095837e99"),
        extras={"responses": {"id": "rs_78575e46c5e54095837e99"}},
    )
    assert text == Text(
        "I will look first.",
        extras={
            "responses": {
                "status": "completed",
                "id": "msg_471da856ade643ba9d9d4e",
                "phase": "commentary",
            }
        },
    )
    assert call == ToolCall(
        "call_940a0010dc984f2e95bcaa",
        "exec_command",
        '{"cmd": "echo hi > hi.txt; ls -a", "yield_time_ms": 1000}',
        extras={"responses": {"status": "completed", "id": "fc_df453df8ceb44e7984fcd7"}},
    )


def test_reasoning_that_shows_nothing_keeps_its_seal() -> None:
    reasoning = read("codex-0.169-tools-turn4").messages[6].parts[0]
    assert isinstance(reasoning, Reasoning)
    assert reasoning.text == ""
    assert reasoning.seal == Seal(
        "responses", "gAAAAABmade-up-encrypted-two==", "rs_62593bda2cb646868a27ff"
    )


def test_a_patch_is_a_custom_call_and_its_result_is_custom_too() -> None:
    messages = read("codex-0.169-tools-turn4").messages
    call, result = messages[6].parts[1], messages[7].parts[0]
    assert isinstance(call, ToolCall)
    assert (call.name, call.custom) == ("apply_patch", True)
    assert call.arguments.startswith("*** Begin Patch\n")
    assert isinstance(result, ToolResult)
    assert (result.call_id, result.custom) == (call.id, True)


def test_older_codex_sends_instructions_and_items_without_ids() -> None:
    request = read("codex-0.136-chatgpt-http-turn2")
    assert [text.text[:18] for text in request.instructions] == ["You are Codex, a c"]
    assert shapes("codex-0.136-chatgpt-http-turn2")[-2:] == [
        "assistant: Reasoning Text ToolCall",
        "user: ToolResult",
    ]
    seal = Seal("responses", "gAAAAABmade-up-encrypted-one==")
    assert request.messages[3].parts[:2] == [
        Reasoning("**Planning** the file", seal),
        Text("I will look first.", extras={"responses": {"phase": "commentary"}}),
    ]


def test_a_compaction_trigger_stays_whole() -> None:
    assert read("codex-0.169-chatgpt-compaction-trigger").messages[-1] == Message(
        "user", [Foreign("responses", "compaction_trigger", {"type": "compaction_trigger"})]
    )


def test_later_websocket_frames_bring_only_what_is_new() -> None:
    request = read("codex-0.169-chatgpt-websocket 2")
    assert request.session.previous_response_id == "resp_abeaaa3080e04f6fbfeebc"
    assert shapes("codex-0.169-chatgpt-websocket 2") == ["user: ToolResult"]


def test_tools_of_codex_are_functions_a_grammar_and_hosted_ones() -> None:
    tools = read("codex-0.169-chatgpt-http-turn2").tools
    assert [(type(tool).__name__, tool.name) for tool in tools] == snapshot(
        [
            ("FunctionTool", "exec_command"),
            ("FunctionTool", "write_stdin"),
            ("FunctionTool", "list_mcp_resources"),
            ("FunctionTool", "list_mcp_resource_templates"),
            ("FunctionTool", "read_mcp_resource"),
            ("FunctionTool", "request_user_input"),
            ("CustomTool", "apply_patch"),
            ("FunctionTool", "view_image"),
            ("FunctionTool", "get_goal"),
            ("FunctionTool", "create_goal"),
            ("FunctionTool", "update_goal"),
            ("FunctionTool", "image_gen__imagegen"),
            ("HostedTool", "tool_search"),
            ("HostedTool", "web_search"),
        ]
    )
    patch = tools[6]
    assert isinstance(patch, CustomTool)
    assert patch.format is not None
    assert (patch.format["type"], patch.format["syntax"]) == ("grammar", "lark")
    namespaced = tools[11]
    assert isinstance(namespaced, FunctionTool)
    assert namespaced.strict is False
    assert namespaced.extras == {
        "responses": {
            "name": "imagegen",
            "namespace": {
                "type": "namespace",
                "name": "image_gen",
                "description": "Tools in the image_gen namespace.",
            },
        }
    }


def test_the_sdk_request_with_all_its_parameters() -> None:
    request = read("openai-python-3.52-responses-tools")
    assert request.instructions == [Text("Be brief.")]
    assert request.messages == snapshot(
        [
            Message(role="system", parts=[Text(text="Also be kind.")]),
            Message(
                role="user",
                parts=[
                    Text(text="Weather?"),
                    Media(
                        kind="image",
                        type="image/png",
                        data="iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
                        extras={"responses": {"detail": "auto"}},
                    ),
                    Media(kind="document", type="application/pdf", name="a.pdf", data="JVBERi0="),
                ],
            ),
            Message(
                role="assistant",
                parts=[
                    ToolCall(
                        id="call_a",
                        name="get_weather",
                        arguments='{"city":"Paris","unit":null}',
                    )
                ],
            ),
            Message(role="user", parts=[ToolResult(call_id="call_a", content=[Text(text="sun")])]),
            Message(role="assistant", parts=[Text(text="It is sunny.")]),
            Message(role="user", parts=[Text(text="And tomorrow?")]),
        ]
    )
    assert request.sampling == Sampling(max_output_tokens=900, temperature=0.5)
    assert request.reasoning == ReasoningSpec(effort="low", summary="auto")
    assert request.tool_choice == ToolChoice("tool", ["get_weather"])
    assert request.tools[1] == HostedTool("web_search", "web_search")
    assert request.output.kind == "json_schema"
    assert (request.output.name, request.output.strict) == ("weather", True)
    assert request.session.metadata == {"k": "v"}
    assert request.session.session_id == "pk"
