"""Writing Responses requests for an upstream."""

from typing import Any

import pytest
from inline_snapshot import snapshot

from gateway_core import seals
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
    OutputSpec,
    ReasoningSpec,
    Request,
    Sampling,
    SessionHints,
)
from gateway_core.testing.conversations import features
from support.about import about, each
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


@each(
    "result, output",
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


@each(
    "media, written",
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


def test_an_image_that_the_model_made_is_a_generated_one() -> None:
    assert items(assistant(IMAGE)) == [
        {
            "type": "image_generation_call",
            "status": "completed",
            "result": "iVBO",
            "output_format": "png",
        }
    ]


def test_a_compaction_goes_back_to_who_made_it_and_to_nobody_else() -> None:
    def compaction(seal: Seal) -> Message:
        item = {"type": "compaction", "encrypted_content": seals.pack(seal)}
        return assistant(Foreign("responses", "compaction", item))

    own = {"type": "compaction", "encrypted_content": "x"}
    assert items(compaction(Seal("codex", "x")), scope="a") == [own]
    assert items(compaction(Seal("codex", "x", None, "a")), scope="a") == [own]
    for seal in (Seal("grok", "x"), Seal("codex", "x", None, "b")):
        with about(seal), pytest.raises(Unsupported, match="which alone can read it"):
            items(compaction(seal), scope="a")


def test_items_of_this_format_go_back_whole() -> None:
    item = {"type": "compaction", "id": "cmp_1", "encrypted_content": "x"}
    assert items(assistant(Foreign("responses", "compaction", item))) == [item]


@each(
    "message, name",
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


def words(request: Request) -> list[str]:
    """All texts that say something."""
    parts = [part for message in request.messages for part in message.parts]
    return [part.text for part in parts if isinstance(part, Text) and part.text]


@each(
    "name",
    [name for name in CONVERSATIONS if not features(CONVERSATIONS[name]) & {"foreign", "video"}],
)
def test_every_conversation_of_the_corpus_can_be_written_and_read(name: str) -> None:
    request = CONVERSATIONS[name]
    read = read_request(write_request(request, "m", issuer="replay", scope="acc0"), {})
    assert words(read) == words(request)
    assert [tool.name for tool in read.tools] == [tool.name for tool in request.tools]
