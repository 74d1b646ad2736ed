"""The official Anthropic SDK reads what the writer wrote: streamed and whole answers are one."""

from collections.abc import Callable
from typing import Any

import anthropic
import httpx2
import pytest

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
)
from gateway_core.errors import LoginRequired, QuotaExhausted, UpstreamFailed
from gateway_core.events import Event, Fail, Usage
from gateway_core.formats.anthropic import StreamWriter, error_body, error_status, read_request
from gateway_core.grammar import check_stream
from gateway_core.json import JsonObject, dumps
from gateway_core.parts import PartWriter, collect
from gateway_core.request import Request
from support.about import each

SEAL = Seal("codex", "opaque", id="rs_1", scope="abc")
OTHER = Seal("kiro", "other")
USAGE = Usage(input=100, cache_read=60, cache_write=10, output=20, reasoning=5)
SOURCES: JsonObject = {"sources": [{"url": "https://a.example", "title": "A"}]}
Build = Callable[[PartWriter], None]


def text(writer: PartWriter) -> None:
    writer.text("t", "Hello, ")
    writer.text("t", 'wörld "\n')
    writer.end("stop", USAGE)


def no_usage(writer: PartWriter) -> None:
    writer.text("t", "Hi")
    writer.end("stop")


def several_texts(writer: PartWriter) -> None:
    writer.text("one", "\n")
    writer.text("one", "One.")
    writer.text("two", "Two.")
    writer.end("stop", USAGE)


def thinking(writer: PartWriter) -> None:
    writer.reasoning("r", "Let me ")
    writer.reasoning("r", "see.")
    writer.close("r", SEAL)
    writer.text("t", "Seen.")
    writer.end("stop", USAGE)


def unsigned_thinking(writer: PartWriter) -> None:
    writer.reasoning("r", "hm")
    writer.text("t", "Seen.")
    writer.end("stop", USAGE)


def hidden_thinking(writer: PartWriter) -> None:
    writer.whole("a", Reasoning("", SEAL))
    writer.whole("b", Reasoning("", OTHER, redacted=True))
    writer.whole("c", Reasoning("Whole.", OTHER))
    writer.text("t", "Done.")
    writer.end("stop", USAGE)


def one_tool(writer: PartWriter) -> None:
    writer.text("t", "I will write.")
    writer.tool("a", id="call_1|fc_1", name="Write")
    writer.arguments("a", '{"path":"a","con')
    writer.arguments("a", 'tent":"é"}')
    writer.end("tool_use", USAGE)


def parallel_tools(writer: PartWriter) -> None:
    writer.reasoning("r", "Three at once.")
    writer.close("r", SEAL)
    for key in "abc":
        writer.tool(key, id=f"call_{key}", name="Bash")
    for key in "cab":
        writer.arguments(key, '{"command":"%s"}' % key)  # noqa: UP031  # braces of JSON
    for key in "abc":
        writer.close(key)
    writer.end("stop", USAGE)


def tool_without_arguments(writer: PartWriter) -> None:
    writer.tool("a", id="call_1", name="List", seal=OTHER)
    writer.end("tool_use", USAGE)


def custom_tool(writer: PartWriter) -> None:
    writer.tool("a", id="call_1", name="apply_patch", custom=True)
    writer.arguments("a", "*** Begin\n")
    writer.arguments("a", '"Patch"')
    writer.end("tool_use", USAGE)


def web_search(writer: PartWriter) -> None:
    writer.whole("s", HostedCall("ws_1", "web_search", '{"query":"q"}', SOURCES))
    writer.whole("f", HostedCall("ws_2", "web_search", '{"query":"r"}', {"error": "unavailable"}))
    writer.text("t", "Found.")
    writer.close("t", citations=[Citation("https://a.example", "A")])
    writer.end("stop", USAGE)


def image(writer: PartWriter) -> None:
    writer.text("t", "Here:")
    writer.whole("m", Media("image", "image/png", data="QUJD"))
    writer.end("stop", USAGE)


def generated_image(writer: PartWriter) -> None:
    result: JsonObject = {"media_type": "image/webp", "data": "QUJD"}
    writer.whole("i", HostedCall("ig_1", "image_generation", '{"prompt":"p"}', result))
    writer.end("stop", USAGE)


def foreign(writer: PartWriter) -> None:
    writer.whole("x", Foreign("responses", "local_shell_call", {"type": "local_shell_call"}))
    writer.text("t", "Hi")
    writer.end("stop", USAGE)


def refusal(writer: PartWriter) -> None:
    writer.text("t", "I cannot help with that.", refusal=True)
    writer.end("refusal", USAGE)


def silent_refusal(writer: PartWriter) -> None:
    writer.end("refusal", USAGE)


def cut(writer: PartWriter) -> None:
    writer.text("t", "And then")
    writer.end("length", USAGE)


def stopped(writer: PartWriter) -> None:
    writer.text("t", "And then")
    writer.end("stop_sequence", USAGE, stop_sequence="END")


def paused(writer: PartWriter) -> None:
    writer.whole("s", HostedCall("ws_1", "web_search", '{"query":"q"}', SOURCES))
    writer.end("pause", USAGE)


def window_full(writer: PartWriter) -> None:
    writer.text("t", "And then")
    writer.end("context_window", USAGE)


def other_end(writer: PartWriter) -> None:
    writer.text("t", "Hi")
    writer.end("other", USAGE)


ANSWERS: list[Build] = [
    text,
    no_usage,
    several_texts,
    thinking,
    unsigned_thinking,
    hidden_thinking,
    one_tool,
    parallel_tools,
    tool_without_arguments,
    custom_tool,
    web_search,
    image,
    generated_image,
    foreign,
    refusal,
    silent_refusal,
    cut,
    stopped,
    paused,
    window_full,
    other_end,
]


def events_of(build: Build) -> list[Event]:
    """The events of an answer, made anew, because collecting them fills their parts."""
    parts = PartWriter()
    parts.begin("up_1", "upstream-model")
    build(parts)
    events = parts.take()
    check_stream(events)
    return events


def new_writer() -> StreamWriter:
    return StreamWriter(Request("gpt-5.5", []), "gpt-5.5", message_id="msg_1")


def body_of(build: Build) -> JsonObject:
    return new_writer().body(collect(events_of(build)))


def client_for(status: int, content: bytes, kind: str) -> anthropic.Anthropic:
    """An SDK client whose server gives this one answer."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, content=content, headers={"content-type": kind})

    return anthropic.Anthropic(
        api_key="local",
        base_url="http://gateway.test",
        max_retries=0,
        http_client=httpx2.Client(transport=httpx2.MockTransport(answer)),
    )


def final_message(stream: bytes) -> JsonObject:
    """The message that the SDK's stream helper builds."""
    with (
        client_for(200, stream, "text/event-stream") as client,
        client.messages.stream(
            model="gpt-5.5", max_tokens=100, messages=[{"role": "user", "content": "Hi"}]
        ) as events,
    ):
        return plain(events.get_final_message())


def plain(message: anthropic.types.Message) -> JsonObject:
    """The SDK's message as JSON. It would warn about images, which are our extension."""
    result = without_nulls(message.to_dict(mode="json", warnings=False))
    assert isinstance(result, dict)
    return result


def without_nulls(value: Any) -> Any:
    """Absent and null are one to the SDK."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


@each("build", ANSWERS)
def test_the_sdk_builds_the_same_message_from_the_stream(build: Build) -> None:
    stream = new_writer().feed(events_of(build))
    assert final_message(stream) == without_nulls(body_of(build))


@each("build", ANSWERS)
def test_the_sdk_reads_the_whole_message(build: Build) -> None:
    body = body_of(build)
    with client_for(200, dumps(body), "application/json") as client:
        message = client.messages.create(
            model="gpt-5.5", max_tokens=100, messages=[{"role": "user", "content": "Hi"}]
        )
    assert plain(message) == without_nulls(body)


@each("build", ANSWERS)
def test_batches_change_no_byte(build: Build) -> None:
    together, one_by_one = new_writer(), new_writer()
    expected = together.feed(events_of(build))
    assert b"".join(one_by_one.feed([event]) for event in events_of(build)) == expected


@each("build", ANSWERS)
def test_pings_between_events_disturb_nothing(build: Build) -> None:
    writer = new_writer()
    chunks = [writer.ping() + writer.feed([event]) for event in events_of(build)]
    assert final_message(b"".join(chunks)) == without_nulls(body_of(build))


def test_content_comes_in_the_order_of_the_answer() -> None:
    assert [block["type"] for block in body_of(web_search)["content"]] == [
        "server_tool_use",
        "web_search_tool_result",
        "server_tool_use",
        "web_search_tool_result",
        "text",
    ]


def test_parallel_calls_have_their_own_arguments() -> None:
    message = final_message(new_writer().feed(events_of(parallel_tools)))
    assert message["stop_reason"] == "tool_use"
    assert [block["input"] for block in message["content"][1:]] == [
        {"command": "a"},
        {"command": "b"},
        {"command": "c"},
    ]


def broken_in_text(writer: PartWriter) -> None:
    writer.text("t", "And then")
    writer.fail(UpstreamFailed("the upstream closed the connection"))


def broken_in_a_call(writer: PartWriter) -> None:
    writer.tool("a", id="call_1", name="Write")
    writer.arguments("a", '{"path":')
    writer.fail(UpstreamFailed("the upstream closed the connection"))


@pytest.mark.parametrize("build", [broken_in_text, broken_in_a_call])
def test_a_failure_in_mid_stream_raises_our_words(build: Build) -> None:
    with pytest.raises(anthropic.APIStatusError) as caught:
        final_message(new_writer().feed(events_of(build)))
    assert caught.value.body == {
        "type": "error",
        "error": {"type": "api_error", "message": "the upstream closed the connection"},
    }


def test_a_failure_alone_raises_our_words_too() -> None:
    with pytest.raises(anthropic.APIStatusError, match="gone"):
        final_message(new_writer().feed([Fail(UpstreamFailed("gone"))]))


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (LoginRequired("run `gateway login codex`"), anthropic.PermissionDeniedError),
        (QuotaExhausted("the plan's week is used up"), anthropic.RateLimitError),
    ],
)
def test_the_sdk_raises_its_own_classes(
    error: LoginRequired | QuotaExhausted, raised: type[anthropic.APIStatusError]
) -> None:
    content = dumps(error_body(error, "req_1"))
    with (
        client_for(error_status(error), content, "application/json") as client,
        pytest.raises(raised, match=error.message),
    ):
        client.messages.create(
            model="gpt-5.5", max_tokens=100, messages=[{"role": "user", "content": "Hi"}]
        )


def read_back(body: JsonObject) -> list[Part]:
    """The parts of an answer that the client sends back as history."""
    history = [{"role": "assistant", "content": body["content"]}]
    (message,) = read_request({"model": "m", "messages": history}, {}).messages
    return message.parts


LOSSLESS: list[Build] = [
    text,
    several_texts,
    thinking,
    unsigned_thinking,
    hidden_thinking,
    one_tool,
    parallel_tools,
    web_search,
    image,
]


@each("build", LOSSLESS)
def test_an_answer_sent_back_reads_as_the_same_parts(build: Build) -> None:
    expected = collect(events_of(build)).parts
    for part in expected:
        if isinstance(part, HostedCall):
            part.id = part.id.removeprefix("srvtoolu_")
    assert read_back(body_of(build)) == expected


def test_a_call_without_arguments_comes_back_with_an_empty_object() -> None:
    assert read_back(body_of(tool_without_arguments)) == [
        ToolCall("call_1", "List", "{}", seal=OTHER)
    ]


def test_free_text_comes_back_in_its_wrapper() -> None:
    assert read_back(body_of(custom_tool)) == [
        ToolCall("call_1", "apply_patch", '{"input":"*** Begin\\n\\"Patch\\""}')
    ]


def test_a_generated_image_comes_back_as_an_image() -> None:
    assert read_back(body_of(generated_image)) == [Media("image", "image/webp", data="QUJD")]


def test_a_refusal_comes_back_as_text() -> None:
    assert read_back(body_of(refusal)) == [Text("I cannot help with that.")]


def test_broken_arguments_come_back_as_the_model_wrote_them() -> None:
    def broken(writer: PartWriter) -> None:
        writer.tool("a", id="call_1", name="Write")
        writer.arguments("a", '{"path": "a')
        writer.end("length", USAGE)

    body = body_of(broken)
    assert body["content"][0]["input"] == {"__unparsedToolInput": {"raw": '{"path": "a', "len": 11}}
    assert read_back(body) == [ToolCall("call_1", "Write", '{"path": "a')]


def test_seals_survive_the_client_unchanged() -> None:
    message = final_message(new_writer().feed(events_of(hidden_thinking)))
    carried = [block.get("signature") or block.get("data") for block in message["content"][:3]]
    assert [seals.unpack(text) for text in carried] == [SEAL, OTHER, OTHER]
