"""Canonical answers: one event stream per thing that a model can do.

All are written through `PartWriter`, as decoders do, and checked against the grammar when built.
"""

from collections.abc import Callable

from gateway_core.content import Citation, HostedCall, Media, Reasoning, Seal, Text
from gateway_core.events import Event, StopReason, Usage
from gateway_core.grammar import check_stream
from gateway_core.parts import PartWriter
from gateway_core.testing.conversations.fresh import Fresh
from support.pictures import PNG_BASE64

ANSWERS: Fresh[list[Event]] = Fresh()

USAGE = Usage(input=1200, output=34)
SEAL = Seal("replay", "c2VhbGVkIHRob3VnaHRz", id="rs_1", scope="acc0")


def _answer(build: Callable[[PartWriter], None]) -> Callable[[PartWriter], None]:
    def events() -> list[Event]:
        writer = PartWriter()
        writer.begin("upstream_1", "upstream-model")
        build(writer)
        stream = writer.take()
        check_stream(stream)
        return stream

    events.__name__ = build.__name__
    ANSWERS(events)
    return build


def _call(writer: PartWriter, id: str, name: str, *pieces: str, custom: bool = False) -> None:
    writer.tool(id, id=id, name=name, custom=custom)
    for piece in pieces:
        writer.arguments(id, piece)
    writer.close(id)


@_answer
def text(writer: PartWriter) -> None:
    writer.text("t", "Hello")
    writer.text("t", ", world.")
    writer.end("stop", USAGE)


@_answer
def text_one_character(writer: PartWriter) -> None:
    writer.text("t", "4")
    writer.end("stop", USAGE)


@_answer
def text_unicode(writer: PartWriter) -> None:
    for piece in (
        "Grüße, 世界! ",
        "👩‍👩‍👧‍👦 ",
        "e\u0301 ",
        "\u2028\u2029\u0085 ",
        "\x00\x1f\x7f ",
        "שלום",
    ):
        writer.text("t", piece)
    writer.end("stop", USAGE)


@_answer
def text_that_looks_like_protocol(writer: PartWriter) -> None:
    writer.text("t", 'data: {"x": 1}\n\nevent: done\r\n\r\ndata: [DONE]\n\n')
    writer.text("t", '\\"quoted\\" <tag>&amp;\t"')
    writer.end("stop", USAGE)


@_answer
def text_long(writer: PartWriter) -> None:
    for number in range(400):
        writer.text("t", f"Line {number} of a long answer.\n")
    writer.end("stop", Usage(input=1200, output=4000))


@_answer
def text_in_several_parts(writer: PartWriter) -> None:
    for number in range(3):
        writer.text(number, f"Paragraph {number}.")
        writer.close(number)
    writer.end("stop", USAGE)


@_answer
def text_with_citations(writer: PartWriter) -> None:
    writer.text("t", "Water boils at 100 degrees.")
    source = Citation("https://example.org/water", "Water", 0, 27)
    writer.close("t", citations=[source])
    writer.end("stop", USAGE)


@_answer
def thinking_then_text(writer: PartWriter) -> None:
    writer.reasoning("r", "Let me see. ")
    writer.reasoning("r", "Yes.")
    writer.close("r", SEAL)
    writer.text("t", "It is so.")
    writer.end("stop", Usage(input=1200, output=90, reasoning=64))


@_answer
def thinking_without_seal(writer: PartWriter) -> None:
    writer.reasoning("r", "No one signs this.")
    writer.text("t", "Done.")
    writer.end("stop", USAGE)


@_answer
def thinking_in_several_parts(writer: PartWriter) -> None:
    writer.reasoning("r1", "First thought.")
    writer.close("r1", Seal("replay", "b25l"))
    writer.reasoning("r2", "Second thought.")
    writer.close("r2", Seal("replay", "dHdv"))
    writer.text("t", "Two thoughts later.")
    writer.end("stop", USAGE)


@_answer
def thinking_hidden_but_sealed(writer: PartWriter) -> None:
    writer.whole("r", Reasoning("", seal=SEAL))
    writer.text("t", "I thought about it.")
    writer.end("stop", USAGE)


@_answer
def thinking_redacted(writer: PartWriter) -> None:
    writer.whole("r", Reasoning("", seal=SEAL, redacted=True))
    writer.text("t", "I thought about it in private.")
    writer.end("stop", USAGE)


@_answer
def thinking_only_before_tool(writer: PartWriter) -> None:
    writer.reasoning("r", "The file must be read first.")
    writer.close("r", SEAL)
    _call(writer, "call_1", "read_file", '{"path":"a.txt"}')
    writer.end("tool_use", USAGE)


@_answer
def thinking_between_tools(writer: PartWriter) -> None:
    writer.reasoning("r1", "First the one.")
    writer.close("r1", Seal("replay", "b25l"))
    _call(writer, "call_1", "read_file", '{"path":"a.txt"}')
    writer.reasoning("r2", "Then the other.")
    writer.close("r2", Seal("replay", "dHdv"))
    _call(writer, "call_2", "read_file", '{"path":"b.txt"}')
    writer.end("tool_use", USAGE)


@_answer
def tool_one(writer: PartWriter) -> None:
    _call(writer, "call_1", "get_weather", '{"ci', 'ty":"Par', 'is"}')
    writer.end("tool_use", USAGE)


@_answer
def tool_after_text(writer: PartWriter) -> None:
    writer.text("t", "Let me look that up.")
    _call(writer, "call_1", "get_weather", '{"city":"Paris"}')
    writer.end("tool_use", USAGE)


@_answer
def tools_parallel(writer: PartWriter) -> None:
    for number, city in enumerate(("Paris", "Oslo", "Zürich")):
        _call(writer, f"call_{number}", "get_weather", '{"city":', f'"{city}"}}')
    writer.end("tool_use", USAGE)


@_answer
def tools_interleaved(writer: PartWriter) -> None:
    writer.tool("a", id="call_a", name="get_weather")
    writer.tool("b", id="call_b", name="get_time")
    writer.arguments("a", '{"city":')
    writer.arguments("b", '{"zone":')
    writer.arguments("a", '"Paris"}')
    writer.arguments("b", '"CET"}')
    writer.close("b")
    writer.close("a")
    writer.end("tool_use", USAGE)


@_answer
def tool_without_arguments(writer: PartWriter) -> None:
    _call(writer, "call_1", "list_files")
    writer.end("tool_use", USAGE)


@_answer
def tool_with_empty_object(writer: PartWriter) -> None:
    _call(writer, "call_1", "list_files", "{}")
    writer.end("tool_use", USAGE)


@_answer
def tool_with_nested_arguments(writer: PartWriter) -> None:
    arguments = '{"rows":[{"a":null,"b":[1,2.5,-3e10]},{"a":true,"t":"\\n\\"ü\\u2028"}]}'
    _call(writer, "call_1", "insert_rows", *(arguments[i : i + 5] for i in range(0, 90, 5)))
    writer.end("tool_use", USAGE)


@_answer
def tool_custom(writer: PartWriter) -> None:
    patch = ("*** Begin Patch\n", "*** Add File: a.txt\n", '+"hi"\n', "*** End Patch\n")
    _call(writer, "call_1", "apply_patch", *patch, custom=True)
    writer.end("tool_use", USAGE)


@_answer
def web_search(writer: PartWriter) -> None:
    sources = [
        {"url": "https://example.org/a", "title": "A"},
        {"url": "https://example.org/b", "title": "B"},
    ]
    search = HostedCall("ws_1", "web_search", '{"query":"news"}', {"sources": sources})
    writer.whole("w", search)
    writer.text("t", "According to A, all is well.")
    writer.close("t", citations=[Citation("https://example.org/a", "A", 13, 14)])
    writer.end("stop", Usage(input=1200, output=34, web_searches=1))


@_answer
def image_generation(writer: PartWriter) -> None:
    picture = {"media_type": "image/png", "data": PNG_BASE64}
    writer.whole("i", HostedCall("ig_1", "image_generation", '{"prompt":"a dot"}', picture))
    writer.text("t", "Here is your dot.")
    writer.end("stop", USAGE)


@_answer
def image(writer: PartWriter) -> None:
    writer.whole("i", Media("image", "image/png", data=PNG_BASE64))
    writer.text("t", "A picture, as asked.")
    writer.end("stop", USAGE)


@_answer
def refusal(writer: PartWriter) -> None:
    writer.open_text("t", Text("", refusal=True))
    writer.text("t", "I can not ", refusal=True)
    writer.text("t", "help with that.", refusal=True)
    writer.end("refusal", USAGE, raw_reason="content_filter")


@_answer
def usage_with_cache_and_reasoning(writer: PartWriter) -> None:
    writer.usage(Usage(input=5000))
    writer.reasoning("r", "Hm.")
    writer.close("r", SEAL)
    writer.text("t", "Counted.")
    usage = Usage(input=5000, cache_read=4000, cache_write=512, output=100, reasoning=60)
    writer.end("stop", usage)


@_answer
def usage_unknown(writer: PartWriter) -> None:
    writer.text("t", "Nobody counted.")
    writer.end("stop")


@_answer
def with_ticks_and_notices(writer: PartWriter) -> None:
    writer.tick()
    writer.notice("slow", "the upstream takes its time")
    writer.text("t", "At ")
    writer.tick()
    writer.usage(Usage(input=1200, output=1))
    writer.text("t", "last.")
    writer.end("stop", USAGE)


def _stop(name: str, reason: StopReason, *, sequence: str | None = None) -> None:
    def build(writer: PartWriter) -> None:
        writer.text("t", "It ends here")
        writer.end(reason, USAGE, raw_reason=name, stop_sequence=sequence)

    build.__name__ = name
    _answer(build)


_stop("stop_at_sequence", "stop_sequence", sequence="END")
_stop("stop_at_length", "length")
_stop("stop_at_context_window", "context_window")
_stop("stop_by_refusal", "refusal")
_stop("stop_in_pause", "pause")
_stop("stop_for_other_reason", "other")
