"""Counting what an upstream is sent: the bodies of the public formats, and what no model reads."""

from base64 import b64encode
from typing import Any

import pytest

from gateway_core.content import Media
from gateway_core.json import JsonObject, dumps, dumps_text
from gateway_core.sent_tokens import count_sent
from gateway_core.tokens import PER_CALL, PER_MESSAGE, PER_REQUEST, count_media, count_text, warm
from support.about import about
from support.pictures import PDF_BASE64, PNG_BASE64

SCHEMA: JsonObject = {"type": "object", "properties": {"city": {"type": "string"}}}
PICTURE = f"data:image/png;base64,{PNG_BASE64}"
PDF = f"data:application/pdf;base64,{PDF_BASE64}"
IMAGE = count_media(Media("image", data=PNG_BASE64))
DOCUMENT = count_media(Media("document", data=PDF_BASE64))
NOTES = "Buy milk.\nCall Ann, täglich."
NOTES_BASE64 = b64encode(NOTES.encode()).decode()

# What is in a message's content, and what it counts besides the message.
CONTENT: list[tuple[Any, int]] = [
    ("a few words", count_text("a few words")),
    ([{"type": "input_text", "text": "a few words"}], count_text("a few words")),
    ([{"type": "text", "text": "words", "cache_control": {"type": "ephemeral"}}], 1),
    ([{"type": "input_image", "image_url": PICTURE, "detail": "auto"}], IMAGE),
    ([{"type": "image_url", "image_url": {"url": PICTURE}}], IMAGE),
    ([{"type": "image_url", "image_url": {"url": "https://a.example/i.png"}}], 1600),
    (
        [
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/png", "data": PNG_BASE64},
            }
        ],
        IMAGE,
    ),
    ([{"type": "input_file", "filename": "a.pdf", "file_data": PDF}], DOCUMENT),
    ([{"type": "file", "file": {"filename": "a.pdf", "file_data": PDF}}], DOCUMENT),
    (
        [{"type": "input_file", "file_data": f"data:text/plain;base64,{NOTES_BASE64}"}],
        count_text(NOTES),
    ),
    ([{"type": "document", "source": {"type": "text", "data": NOTES}}], count_text(NOTES)),
    ([{"type": "input_audio", "input_audio": {"data": "A" * 40_000, "format": "wav"}}], 30),
    (
        [{"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"city": "Riga"}}],
        PER_CALL + count_text("look") + count_text('{"city":"Riga"}'),
    ),
    (
        [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "It rains."}],
        PER_CALL + count_text("It rains."),
    ),
    (
        [{"type": "thinking", "thinking": "They ask.", "signature": "s" * 4000}],
        count_text("They ask."),
    ),
    ([{"type": "redacted_thinking", "data": "d" * 4000}], 0),
]

# Whole items of the Responses format.
ITEMS: list[tuple[JsonObject, int]] = [
    (
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"a": 1}'},
        PER_CALL + count_text("look") + count_text('{"a": 1}'),
    ),
    (
        {"type": "function_call_output", "call_id": "c1", "output": "It rains."},
        PER_CALL + count_text("It rains."),
    ),
    (
        {"type": "reasoning", "encrypted_content": "e" * 4000, "summary": [{"text": "Hm."}]},
        count_text("Hm."),
    ),
    ({"type": "compaction", "id": "cmp_1", "encrypted_content": "e" * 4000}, 800),
    ({"type": "image_generation_call", "id": "ig_1", "result": PNG_BASE64}, PER_CALL + IMAGE),
    (
        {"type": "web_search_call", "action": {"type": "search", "query": "rain"}},
        PER_CALL + count_text('{"type":"search","query":"rain"}'),
    ),
]
FUNCTION: JsonObject = {"name": "look", "description": "Look\nit up.", "parameters": SCHEMA}
FUNCTION_TOKENS = 8 + sum(map(count_text, ("look", "Look\nit up.", dumps_text(SCHEMA))))


@pytest.fixture(scope="module", autouse=True)
def warm_table() -> None:
    """The vocabulary, built once."""
    warm()


def counted(**body: Any) -> int | None:
    return count_sent(dumps({"model": "m", "stream": True, **body}))


def test_what_messages_hold_is_counted_in_every_spelling() -> None:
    for content, tokens in CONTENT:
        with about(dumps_text(content)[:100]):
            message = {"role": "user", "content": content}
            expected = PER_REQUEST + PER_MESSAGE + tokens
            assert counted(messages=[message]) == expected
            assert counted(input=[message]) == expected


def test_items_of_the_responses_format_are_counted() -> None:
    for item, tokens in ITEMS:
        with about(item["type"]):
            assert counted(input=[item]) == PER_REQUEST + tokens
    assert counted(input="Hello there") == PER_REQUEST + count_text("Hello there")


def test_calls_and_thoughts_in_chat_messages_are_counted_once() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    detail = {"type": "reasoning.text", "text": "They ask.", "signature": "s" * 400}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    thought = {**message, "reasoning": "They ask.", "reasoning_details": [detail]}
    bare = counted(messages=[message])
    assert bare == PER_REQUEST + PER_MESSAGE + PER_CALL + count_text("look") + count_text("{}")
    assert counted(messages=[thought]) == bare + count_text("They ask.")


def test_tools_are_counted_in_every_spelling() -> None:
    shapes: list[JsonObject] = [
        {"type": "function", "strict": None, **FUNCTION},
        {"type": "function", "function": FUNCTION},
        {"name": "look", "description": "Look\nit up.", "input_schema": SCHEMA},
    ]
    nothing = counted(messages=[]) or 0
    for tool in shapes:
        with about(tool):
            assert counted(messages=[], tools=[tool]) == nothing + FUNCTION_TOKENS
    group = {"type": "namespace", "name": "web", "description": "", "tools": shapes[:1]}
    assert counted(messages=[], tools=[group]) == nothing + 8 + 1 + FUNCTION_TOKENS
    hosted = {"type": "web_search", "filters": {"allowed_domains": ["a.example"]}}
    assert (counted(messages=[], tools=[hosted]) or 0) > nothing + 10
    inside = {"type": "additional_tools", "role": "developer", "tools": shapes[:1]}
    assert counted(input=[inside]) == PER_REQUEST + FUNCTION_TOKENS


def test_instructions_and_the_schema_of_the_answer_are_counted() -> None:
    nothing, words = PER_REQUEST, PER_MESSAGE + count_text("Be brief.")
    assert counted(input=[], instructions="Be brief.") == nothing + words
    assert counted(messages=[], system=[{"type": "text", "text": "Be brief."}]) == nothing + words
    formats: list[JsonObject] = [
        {"text": {"format": {"type": "json_schema", "name": "x", "schema": SCHEMA}}},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}}},
        {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
    ]
    for format in formats:
        with about(format):
            assert counted(messages=[], **format) == nothing + count_text(dumps_text(SCHEMA))


@pytest.mark.parametrize("body", [b"", b"\x00\x01", b"[]", b'{"prompt":"x"}', b'{"messages":[1]}'])
def test_a_body_of_another_shape_is_left_to_others(body: bytes) -> None:
    assert count_sent(body) is None
