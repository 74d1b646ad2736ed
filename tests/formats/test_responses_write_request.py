"""Writing Responses requests for an upstream."""

from typing import Any

import pytest
from inline_snapshot import snapshot

from gateway_core.content import (
    Citation,
    Foreign,
    HostedCall,
    Media,
    Message,
    Part,
    Reasoning,
    Seal,
    Text,
    ToolCall,
    ToolResult,
)
from gateway_core.errors import Unsupported
from gateway_core.formats.responses import read_request, write_request
from gateway_core.json import JsonObject
from gateway_core.request import (
    CustomTool,
    FunctionTool,
    HostedTool,
    OutputSpec,
    ReasoningSpec,
    Request,
    Sampling,
    SessionHints,
    Tool,
    ToolChoice,
)
from support.corpus import CONVERSATIONS

SCHEMA: JsonObject = {"type": "object", "properties": {}}
IMAGE = Media("image", "image/png", data="iVBO")


def write(*messages: Message, **options: Any) -> JsonObject:
    return write_request(Request("requested", [*messages]), "m", issuer="codex", **options)


def items(*messages: Message, **options: Any) -> Any:
    return write(*messages, **options)["input"]


def user(*parts: Part) -> Message:
    return Message("user", [*parts])


def assistant(*parts: Part) -> Message:
    return Message("assistant", [*parts])


def with_tools(*tools: Tool, choice: ToolChoice | None = None, **options: Any) -> JsonObject:
    request = Request("x", [], tools=[*tools], tool_choice=choice or ToolChoice())
    return write_request(request, "m", issuer="codex", **options)


def test_a_plain_request() -> None:
    request = Request(
        "requested",
        [Message("system", [Text("Be kind.")]), user(Text("Hi"))],
        instructions=[Text("Be brief."), Text("Be true.")],
    )
    assert write_request(request, "m", issuer="codex") == snapshot(
        {
            "model": "m",
            "instructions": "Be brief.\n\nBe true.",
            "input": [
                {
                    "type": "message",
                    "role": "developer",
                    "content": [{"type": "input_text", "text": "Be kind."}],
                },
                {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": "Hi"}],
                },
            ],
            "store": False,
            "stream": True,
            "include": ["reasoning.encrypted_content"],
        }
    )


def test_all_knobs_and_hints() -> None:
    request = Request(
        "requested",
        [],
        output=OutputSpec("json_schema", "n", "d", {"type": "object"}, True, "low"),
        sampling=Sampling(900, 0.5, 0.9, top_k=3, stop=["END"], seed=1),
        reasoning=ReasoningSpec(effort="high", summary="auto"),
        session=SessionHints("s", "a", "u", "key", "priority", True, "resp_0", {"a": "b"}),
    )
    assert write_request(request, "m", issuer="codex") == snapshot(
        {
            "model": "m",
            "input": [],
            "reasoning": {"effort": "high", "summary": "auto"},
            "text": {
                "format": {
                    "type": "json_schema",
                    "name": "n",
                    "description": "d",
                    "schema": {"type": "object"},
                    "strict": True,
                },
                "verbosity": "low",
            },
            "max_output_tokens": 900,
            "temperature": 0.5,
            "top_p": 0.9,
            "store": False,
            "stream": True,
            "include": ["reasoning.encrypted_content"],
            "prompt_cache_key": "key",
            "service_tier": "priority",
            "metadata": {"a": "b"},
            "user": "u",
        }
    )


def test_a_token_budget_is_written_as_effort() -> None:
    request = Request("x", [], reasoning=ReasoningSpec(enabled=True, budget_tokens=31_999))
    assert write_request(request, "m", issuer="codex")["reasoning"] == {"effort": "high"}


def test_the_role_of_system_messages_can_be_chosen() -> None:
    (item,) = items(Message("system", [Text("x")]), system_role="system")
    assert item["role"] == "system"


def test_results_come_before_the_text_of_their_message() -> None:
    written = items(user(ToolResult("a", [Text("1")]), ToolResult("b", []), Text("Go on")))
    assert written == [
        {"type": "function_call_output", "call_id": "a", "output": "1"},
        {"type": "function_call_output", "call_id": "b", "output": ""},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Go on"}]},
    ]


@pytest.mark.parametrize(
    ("result", "output"),
    [
        (ToolResult("c", [Text("ok")]), "ok"),
        (ToolResult("c", [Text("why")], failed=True), "[tool call failed]\nwhy"),
        (
            ToolResult("c", [Text("a"), Text("b")]),
            [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}],
        ),
        (
            ToolResult("c", [IMAGE], failed=True),
            [
                {"type": "input_text", "text": "[tool call failed]"},
                {"type": "input_image", "image_url": "data:image/png;base64,iVBO"},
            ],
        ),
    ],
)
def test_outputs_are_strings_unless_there_is_more(result: ToolResult, output: Any) -> None:
    (item,) = items(user(result))
    assert item["output"] == output


def test_custom_calls_and_results() -> None:
    call = ToolCall("c", "patch", "free", custom=True)
    assert items(assistant(call), user(ToolResult("c", [Text("ok")], custom=True))) == [
        {"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": "free"},
        {"type": "custom_tool_call_output", "call_id": "c", "output": "ok"},
    ]


def test_a_call_without_arguments_has_an_empty_object() -> None:
    assert items(assistant(ToolCall("c", "now", "")))[0]["arguments"] == "{}"


@pytest.mark.parametrize(
    ("media", "written"),
    [
        (IMAGE, {"type": "input_image", "image_url": "data:image/png;base64,iVBO"}),
        (
            Media("image", url="https://a.example"),
            {"type": "input_image", "image_url": "https://a.example"},
        ),
        (Media("image", file="file_1"), {"type": "input_image", "file_id": "file_1"}),
        (
            Media("image", url="u", extras={"responses": {"detail": "low"}}),
            {"type": "input_image", "image_url": "u", "detail": "low"},
        ),
        (
            Media("document", "application/pdf", "a.pdf", "JVBE"),
            {
                "type": "input_file",
                "filename": "a.pdf",
                "file_data": "data:application/pdf;base64,JVBE",
            },
        ),
        (
            Media("document", "text/plain", data="grün"),
            {"type": "input_file", "file_data": "data:text/plain;base64,Z3LDvG4="},
        ),
        (Media("document", url="u"), {"type": "input_file", "file_url": "u"}),
        (
            Media("audio", "audio/mpeg", data="AAAA"),
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
        ),
    ],
)
def test_media(media: Media, written: JsonObject) -> None:
    assert items(user(media))[0]["content"] == [written]


def test_only_seals_of_this_issuer_and_account_are_replayed() -> None:
    ours = Reasoning("Hm.", Seal("codex", "opaque", "rs_1", "acc"))
    silent = Reasoning("", Seal("codex", "other"))
    unsealed = Reasoning("Aha.")
    foreign = Reasoning("So.", Seal("kiro", "opaque"))
    written = items(assistant(ours, silent, unsealed, foreign, Text("Yes")), scope="acc")
    assert written[:-1] == [
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "Hm."}],
            "encrypted_content": "opaque",
        },
        {"type": "reasoning", "summary": [], "encrypted_content": "other"},
    ]
    assert items(assistant(ours), scope="another account") == []


def test_texts_of_one_turn_share_an_item_when_nothing_tells_them_apart() -> None:
    cited = Text("b", citations=[Citation("https://a.example", "A", 0, 1)])
    (item,) = items(assistant(Text("a"), cited, Text("no", refusal=True)))
    assert item["content"] == [
        {"type": "output_text", "text": "a"},
        {
            "type": "output_text",
            "text": "b",
            "annotations": [
                {
                    "type": "url_citation",
                    "start_index": 0,
                    "end_index": 1,
                    "url": "https://a.example",
                    "title": "A",
                }
            ],
        },
        {"type": "refusal", "refusal": "no"},
    ]


def test_texts_of_different_items_stay_apart() -> None:
    first = Text("a", extras={"responses": {"id": "msg_1", "phase": "commentary"}})
    second = Text("b", extras={"responses": {"id": "msg_2", "phase": "final_answer"}})
    written = items(assistant(first, second))
    assert [item["phase"] for item in written] == ["commentary", "final_answer"]
    assert [item.get("id") for item in written] == [None, None]


def test_ids_of_the_clients_items_go_along_on_request() -> None:
    call = ToolCall("c", "f", "{}", extras={"responses": {"id": "fc_1", "status": "completed"}})
    assert items(assistant(call), item_fields=("id", "status")) == [
        {
            "type": "function_call",
            "call_id": "c",
            "name": "f",
            "arguments": "{}",
            "id": "fc_1",
            "status": "completed",
        }
    ]


def test_hosted_calls_of_the_history() -> None:
    sources = {"sources": [{"url": "https://a.example", "title": "A"}]}
    search = HostedCall("ws_1", "web_search", '{"query":"q"}', sources)
    image = HostedCall(
        "ig_1", "image_generation", '{"prompt":"p"}', {"media_type": "image/png", "data": "iVBO"}
    )
    assert items(assistant(search, image)) == [
        {
            "type": "web_search_call",
            "status": "completed",
            "action": {
                "type": "search",
                "query": "q",
                "sources": [{"type": "url", "url": "https://a.example"}],
            },
        },
        {
            "type": "image_generation_call",
            "status": "completed",
            "result": "iVBO",
            "output_format": "png",
            "revised_prompt": "p",
        },
    ]


def test_items_of_this_format_go_back_whole() -> None:
    item = {"type": "compaction", "id": "cmp_1", "encrypted_content": "x"}
    assert items(assistant(Foreign("responses", "compaction", item))) == [item]


@pytest.mark.parametrize(
    ("message", "name"),
    [
        (user(Foreign("anthropic", "container_upload", {})), "container_upload"),
        (assistant(Foreign("anthropic", "mcp_tool_use", {})), "mcp_tool_use"),
        (user(ToolResult("c", [Foreign("anthropic", "search_result", {})])), "search_result"),
        (assistant(HostedCall("x", "code_execution", "{}")), "code_execution"),
        (user(Media("video", "video/mp4", data="x")), "video"),
        (assistant(Media("document", url="u")), "Media"),
        (user(ToolCall("c", "f", "{}")), "ToolCall"),
        (user(Media("image")), "image"),
    ],
)
def test_what_the_format_cannot_carry_is_refused_by_name(message: Message, name: str) -> None:
    with pytest.raises(Unsupported, match=name) as caught:
        write(user(Text("Hi")), message)
    assert caught.value.param == "messages[1]"


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


@pytest.mark.parametrize(
    ("choice", "written"),
    [
        (ToolChoice("required"), "required"),
        (ToolChoice("tool", ["f"]), {"type": "function", "name": "f"}),
        (ToolChoice("tool", ["patch"]), {"type": "custom", "name": "patch"}),
        (ToolChoice("tool", ["web_search"]), {"type": "web_search"}),
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
    body = with_tools(*tools, HostedTool("web_search", "web_search"), choice=choice)
    assert body["tool_choice"] == written


def test_parallel_calls_are_said_beside_the_tools_only() -> None:
    choice = ToolChoice(parallel=False)
    assert (
        with_tools(FunctionTool("f", None, SCHEMA), choice=choice)["parallel_tool_calls"] is False
    )
    assert "parallel_tool_calls" not in with_tools(choice=choice)
    assert "tool_choice" not in with_tools(choice=choice)


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_every_conversation_of_the_corpus_can_be_written_and_read(name: str) -> None:
    request = CONVERSATIONS[name]
    read = read_request(write_request(request, "m", issuer="replay", scope="acc0"), {})
    texts = [part.text for m in request.messages for part in m.parts if isinstance(part, Text)]
    assert [part.text for m in read.messages for part in m.parts if isinstance(part, Text)] == texts
    assert [tool.name for tool in read.tools] == [tool.name for tool in request.tools]
