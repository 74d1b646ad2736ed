"""Content blocks of Anthropic messages, one kind after the other."""

from base64 import b64encode
from typing import Any

import pytest
from inline_snapshot import snapshot

from gateway_core import seals
from gateway_core.content import (
    Citation,
    Foreign,
    HostedCall,
    Media,
    Part,
    Reasoning,
    Seal,
    Text,
    ToolCall,
    ToolResult,
)
from gateway_core.formats.anthropic import read_request
from gateway_core.json import JsonObject
from support.about import each

SEAL = Seal("codex", "opaque", id="rs_1", scope="abc")


def read(*blocks: JsonObject, role: str = "user") -> list[Part]:
    """The parts of one message."""
    body = {"model": "m", "messages": [{"role": role, "content": list(blocks)}]}
    (message,) = read_request(body, {}).messages
    return message.parts


def read_result(content: Any, **fields: Any) -> ToolResult:
    """One tool result with this content."""
    (part,) = read({"type": "tool_result", "tool_use_id": "t", "content": content, **fields})
    assert isinstance(part, ToolResult)
    return part


def test_text_with_a_cache_mark() -> None:
    mark = {"type": "ephemeral"}
    assert read({"type": "text", "text": "Hi", "cache_control": mark}) == [
        Text("Hi", extras={"anthropic": {"cache_control": mark}})
    ]


def test_text_with_citations_of_an_earlier_answer() -> None:
    citation = {
        "type": "web_search_result_location",
        "url": "https://a.example",
        "title": "A",
        "cited_text": "",
        "encrypted_index": "",
    }
    block = {"type": "text", "text": "Hi", "citations": [citation, {"type": "char_location"}]}
    assert read(block, role="assistant") == [
        Text("Hi", citations=[Citation("https://a.example", "A")])
    ]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            {"type": "base64", "media_type": "image/png", "data": "QUJD"},
            Media("image", "image/png", data="QUJD"),
        ),
        (
            {"type": "url", "url": "https://a.example/a.png"},
            Media("image", url="https://a.example/a.png"),
        ),
        ({"type": "file", "file_id": "file_1"}, Media("image", file="file_1")),
    ],
)
def test_image_sources(source: JsonObject, expected: Media) -> None:
    assert read({"type": "image", "source": source}) == [expected]


@each(
    "source, expected",
    [
        (
            {"type": "base64", "media_type": "application/pdf", "data": "QUJD"},
            Media("document", "application/pdf", name="T", data="QUJD"),
        ),
        (
            {
                "type": "base64",
                "media_type": "text/plain",
                "data": b64encode("é".encode()).decode(),
            },
            Media("document", "text/plain", name="T", data="é"),
        ),
        (
            {"type": "url", "url": "https://a.example/a.pdf"},
            Media("document", "application/pdf", name="T", url="https://a.example/a.pdf"),
        ),
        ({"type": "file", "file_id": "file_1"}, Media("document", name="T", file="file_1")),
        (
            {"type": "text", "media_type": "text/plain", "data": "notes"},
            Media("document", "text/plain", name="T", data="notes"),
        ),
        (
            {"type": "content", "content": "notes"},
            Media("document", "text/plain", name="T", data="notes"),
        ),
    ],
)
def test_document_sources(source: JsonObject, expected: Media) -> None:
    assert read({"type": "document", "title": "T", "source": source}) == [expected]


def test_a_document_of_blocks_is_its_text_and_then_its_images() -> None:
    image = {"type": "image", "source": {"type": "url", "url": "https://a.example/a.png"}}
    texts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    source = {"type": "content", "content": [texts[0], image, texts[1]]}
    assert read({"type": "document", "source": source}) == [
        Media("document", "text/plain", data="one\ntwo"),
        Media("image", url="https://a.example/a.png"),
    ]


def test_the_context_of_a_document_goes_before_it_as_text() -> None:
    block = {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": "notes"},
        "context": "From the meeting.",
        "citations": {"enabled": True},
    }
    assert read(block) == snapshot(
        [
            Text(text="From the meeting."),
            Media(
                kind="document",
                type="text/plain",
                data="notes",
                extras={
                    "anthropic": {"citations": {"enabled": True}, "context": "From the meeting."}
                },
            ),
        ]
    )


@pytest.mark.parametrize("kind", ["image", "document"])
def test_a_source_of_a_newer_type_is_kept_whole(kind: str) -> None:
    block = {"type": kind, "source": {"type": "hologram", "id": "h"}}
    assert read(block) == [Foreign("anthropic", kind, block)]


def test_a_block_of_a_newer_type_is_kept_whole() -> None:
    block = {"type": "hologram", "id": "h"}
    assert read(block) == [Foreign("anthropic", "hologram", block)]


def test_our_signature_is_unpacked() -> None:
    block = {"type": "thinking", "thinking": "hm", "signature": seals.pack(SEAL)}
    assert read(block, role="assistant") == [Reasoning("hm", SEAL)]


def test_a_foreign_signature_names_the_format_as_issuer() -> None:
    block = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
    assert read(block, role="assistant") == [Reasoning("hm", Seal("anthropic", "c2ln"))]


def test_a_damaged_signature_of_ours_is_dropped() -> None:
    block = {"type": "thinking", "thinking": "hm", "signature": "gw1.codex.%%%"}
    assert read(block, role="assistant") == [Reasoning("hm")]


def test_a_seal_without_text_is_not_lost() -> None:
    block = {"type": "thinking", "thinking": "", "signature": seals.pack(SEAL)}
    assert read(block, role="assistant") == [Reasoning("", SEAL)]


def test_thinking_with_neither_text_nor_signature_is_nothing() -> None:
    empty = {"type": "thinking", "thinking": "", "signature": ""}
    assert read(empty, {"type": "text", "text": "Hi"}, role="assistant") == [Text("Hi")]


def test_redacted_thinking() -> None:
    block = {"type": "redacted_thinking", "data": seals.pack(SEAL)}
    assert read(block, role="assistant") == [Reasoning("", SEAL, redacted=True)]


def test_tool_input_becomes_compact_text_in_the_clients_order() -> None:
    block = {"type": "tool_use", "id": "t", "name": "f", "input": {"z": 1, "a": {"é": None}}}
    assert read(block, role="assistant") == [ToolCall("t", "f", '{"z":1,"a":{"é":null}}')]


def test_arguments_that_were_no_json_come_back_as_the_model_wrote_them() -> None:
    value = {"__unparsedToolInput": {"raw": '{"a": ', "len": 6}}
    block = {"type": "tool_use", "id": "t", "name": "f", "input": value}
    assert read(block, role="assistant") == [ToolCall("t", "f", '{"a": ')]


def test_the_seal_of_a_tool_call() -> None:
    block = {"type": "tool_use", "id": "t", "name": "f", "input": {}, "signature": seals.pack(SEAL)}
    assert read(block, role="assistant") == [ToolCall("t", "f", "{}", seal=SEAL)]


def test_tool_results_come_in_the_order_sent() -> None:
    parts = read(
        {"type": "tool_result", "tool_use_id": "b", "content": "two"},
        {"type": "tool_result", "tool_use_id": "a"},
        {"type": "text", "text": "Go on."},
    )
    assert parts == [ToolResult("b", [Text("two")]), ToolResult("a", []), Text("Go on.")]


def test_a_failed_result_with_a_cache_mark() -> None:
    mark = {"type": "ephemeral"}
    assert read_result("no", is_error=True, cache_control=mark) == ToolResult(
        "t", [Text("no")], failed=True, extras={"anthropic": {"cache_control": mark}}
    )


def test_everything_a_tool_result_can_hold() -> None:
    result = read_result(
        [
            {"type": "text", "text": "text"},
            {"type": "image", "source": {"type": "url", "url": "https://a.example/a.png"}},
            {"type": "document", "source": {"type": "text", "data": "notes"}},
            {
                "type": "search_result",
                "source": "https://a.example",
                "title": "A",
                "content": [{"type": "text", "text": "found"}],
            },
            {"type": "tool_reference", "tool_name": "NotebookEdit"},
            {"type": "hologram"},
        ]
    )
    assert result.content == snapshot(
        [
            Text(text="text"),
            Media(kind="image", url="https://a.example/a.png"),
            Media(kind="document", type="text/plain", data="notes"),
            Text(
                text="""\
A
https://a.example
found\
""",
                citations=[Citation(url="https://a.example", title="A")],
            ),
            Text(
                text="Tool loaded: NotebookEdit",
                extras={"anthropic": {"tool_reference": "NotebookEdit"}},
            ),
            Foreign(namespace="anthropic", kind="hologram", data={"type": "hologram"}),
        ]
    )


def test_a_hosted_search_and_its_result_are_one_part() -> None:
    assert read(
        {
            "type": "server_tool_use",
            "id": "srvtoolu_1",
            "name": "web_search",
            "input": {"query": "q"},
        },
        {
            "type": "web_search_tool_result",
            "tool_use_id": "srvtoolu_1",
            "content": [
                {
                    "type": "web_search_result",
                    "url": "https://a.example",
                    "title": "A",
                    "encrypted_content": "x",
                    "page_age": "1 day",
                }
            ],
        },
        {"type": "text", "text": "Found."},
        role="assistant",
    ) == [
        HostedCall(
            "1",
            "web_search",
            '{"query":"q"}',
            {"sources": [{"url": "https://a.example", "title": "A"}]},
        ),
        Text("Found."),
    ]


def test_a_failed_search() -> None:
    error = {"type": "web_search_tool_result_error", "error_code": "max_uses_exceeded"}
    assert read(
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": error},
        role="assistant",
    ) == [HostedCall("1", "web_search", "{}", {"error": "max_uses_exceeded"})]


def test_a_search_result_without_its_call() -> None:
    block = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
    assert read(block, role="assistant") == [HostedCall("1", "web_search", "{}", {"sources": []})]


def test_a_result_in_a_later_message_finds_its_call() -> None:
    use = {
        "type": "server_tool_use",
        "id": "srvtoolu_1",
        "name": "web_fetch",
        "input": {"url": "u"},
    }
    result = {
        "type": "web_fetch_tool_result",
        "tool_use_id": "srvtoolu_1",
        "content": {"type": "web_fetch_result", "url": "u"},
    }
    request = read_request(
        {
            "model": "m",
            "messages": [
                {"role": "assistant", "content": [use]},
                {"role": "assistant", "content": [result, {"type": "text", "text": "Read."}]},
            ],
        },
        {},
    )
    assert [message.parts for message in request.messages] == [
        [HostedCall("1", "web_fetch", '{"url":"u"}', {"type": "web_fetch_result", "url": "u"})],
        [Text("Read.")],
    ]
