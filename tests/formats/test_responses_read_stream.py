"""Reading Responses streams of upstreams, as the services send them when all goes well."""

import pytest
from inline_snapshot import snapshot

from gateway_core import seals
from gateway_core.content import Citation, Foreign, HostedCall, Reasoning, Seal, Text, ToolCall
from gateway_core.events import Begin, Close, Delta, End, Event, Open, Tick, Usage, Whole
from gateway_core.formats.responses import StreamReader
from gateway_core.json import JsonObject, dumps
from gateway_core.parts import collect
from support.about import each
from support.responses_wire import (
    USAGE,
    added,
    completed,
    created,
    decode,
    decode_everywhere,
    delta,
    done,
    event,
    message,
    said,
    sse,
    text_delta,
    without_ticks,
)

TOTALS = Usage(100, 40, None, 20, 5, raw=USAGE)
CITED = {
    "type": "url_citation",
    "url": "https://a.example",
    "title": "A",
    "start_index": 0,
    "end_index": 2,
}

TEXT = sse(
    created(),
    event("in_progress", response={"id": "resp_1"}),
    added(0, "reasoning", summary=[]),
    done(0, "reasoning", summary=[], encrypted_content="gAAA"),
    added(1, "message", role="assistant", content=[], phase="final_answer"),
    event("content_part.added", output_index=1, content_index=0, part=said("")),
    text_delta(1, "Grü"),
    text_delta(1, "ße, 世界"),
    event("output_text.done", output_index=1, content_index=0, text="Grüße, 世界"),
    event("content_part.done", output_index=1, content_index=0, part=said("Grüße, 世界")),
    message(1, said("Grüße, 世界"), phase="final_answer"),
    completed(),
)
REASONING = sse(
    created(),
    added(0, "reasoning", summary=[], encrypted_content="early"),
    event("reasoning_summary_part.added", output_index=0, summary_index=0, part={}),
    delta(0, "reasoning_summary_text", "**One**", summary_index=0),
    event("reasoning_summary_text.done", output_index=0, summary_index=0, text="**One**"),
    event("reasoning_summary_part.done", output_index=0, summary_index=0, part={}),
    delta(0, "reasoning_summary_text", "**Two**", summary_index=1),
    done(
        0,
        "reasoning",
        summary=[
            {"type": "summary_text", "text": "**One**"},
            {"type": "summary_text", "text": "**Two**"},
        ],
        encrypted_content="final",
    ),
    added(1, "message", role="assistant", content=[]),
    text_delta(1, "Yes."),
    message(1, said("Yes.")),
    completed(),
)
CALLS = sse(
    created(),
    added(0, "function_call", call_id="call_a", name="get_weather", arguments=""),
    delta(0, "function_call_arguments", '{"city":'),
    delta(0, "function_call_arguments", '"Oslo"}'),
    event("function_call_arguments.done", output_index=0, arguments='{"city":"Oslo"}'),
    done(0, "function_call", call_id="call_a", name="get_weather", arguments='{"city":"Oslo"}'),
    added(1, "custom_tool_call", call_id="call_b", name="apply_patch", input=""),
    delta(1, "custom_tool_call_input", "*** Begin"),
    event("custom_tool_call_input.done", output_index=1, input="*** Begin"),
    done(1, "custom_tool_call", call_id="call_b", name="apply_patch", input="*** Begin"),
    completed(),
)
SEARCH = sse(
    created(),
    added(0, "web_search_call", status="in_progress"),
    event("web_search_call.in_progress", output_index=0),
    event("web_search_call.searching", output_index=0),
    event("web_search_call.completed", output_index=0),
    done(
        0,
        "web_search_call",
        status="completed",
        action={
            "type": "search",
            "query": "q",
            "sources": [{"type": "url", "url": "https://a.example"}],
        },
    ),
    added(1, "message", role="assistant", content=[]),
    text_delta(1, "So."),
    event(
        "output_text.annotation.added",
        output_index=1,
        content_index=0,
        annotation_index=0,
        annotation=CITED,
    ),
    message(1, said("So.", CITED)),
    completed(),
)
IMAGE = sse(
    created(),
    added(0, "image_generation_call", status="in_progress"),
    event("image_generation_call.generating", output_index=0),
    event("image_generation_call.partial_image", output_index=0, partial_image_b64="AAAA"),
    done(0, "image_generation_call", status="generating", result="iVBO", revised_prompt="a dot"),
    completed(),
)
REFUSAL = sse(
    created(),
    added(0, "message", role="assistant", content=[]),
    delta(0, "refusal", "I can ", content_index=0),
    delta(0, "refusal", "not.", content_index=0),
    event("refusal.done", output_index=0, content_index=0, refusal="I can not."),
    message(0, {"type": "refusal", "refusal": "I can not."}),
    completed(),
)
TRANSCRIPTS = {
    "text": TEXT,
    "reasoning": REASONING,
    "calls": CALLS,
    "search": SEARCH,
    "image": IMAGE,
    "refusal": REFUSAL,
    "crlf": TEXT.replace(b"\n", b"\r\n"),
    "no-event-names": b"".join(
        block.partition(b"\n")[2] + b"\n\n" for block in TEXT.split(b"\n\n")[:-1]
    ),
    "marked-end": TEXT + b"data: [DONE]\n\n",
}


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_every_split_gives_the_same_events(name: str) -> None:
    events = decode_everywhere(TRANSCRIPTS[name])
    assert isinstance(events[-1], End)


def test_a_text_answer() -> None:
    assert decode([TEXT]) == [
        Begin("resp_1", "upstream-model"),
        Tick(),
        Whole(0, Reasoning("", Seal("vendor", "gAAA", "item_0"))),
        Open(1, Text("", extras={"responses": {"phase": "final_answer"}})),
        Delta(1, "Grü"),
        Delta(1, "ße, 世界"),
        Close(1),
        End("stop", usage=TOTALS),
    ]


@pytest.mark.parametrize("name", ["crlf", "no-event-names", "marked-end"])
def test_spellings_of_the_same_stream(name: str) -> None:
    assert decode([TRANSCRIPTS[name]]) == decode([TEXT])


def test_a_summary_in_parts_is_one_reasoning_with_the_final_seal() -> None:
    assert decode([REASONING])[1:5] == [
        Open(0, Reasoning("")),
        Delta(0, "**One**"),
        Delta(0, "\n\n**Two**"),
        Close(0, Seal("vendor", "final", "item_0")),
    ]


def test_seals_are_bound_to_the_account() -> None:
    reader = StreamReader("codex", "acc")
    response = collect(reader.feed(REASONING))
    assert response.parts[0] == Reasoning(
        "**One**\n\n**Two**", Seal("codex", "final", "item_0", "acc")
    )


def test_raw_reasoning() -> None:
    stream = sse(
        created(),
        added(0, "reasoning", summary=[]),
        delta(0, "reasoning_text", "I ", content_index=0),
        delta(0, "reasoning_text", "think", content_index=0),
        event("reasoning_text.done", output_index=0, content_index=0, text="I think"),
        done(0, "reasoning", summary=[], content=[{"type": "reasoning_text", "text": "I think"}]),
        message(1, said("So.")),
        completed(),
    )
    assert collect(decode([stream])).parts == [Reasoning("I think"), Text("So.")]


def test_calls() -> None:
    response = collect(decode([CALLS]))
    assert response.stop == "tool_use"
    assert response.parts == [
        ToolCall("call_a", "get_weather", '{"city":"Oslo"}'),
        ToolCall("call_b", "apply_patch", "*** Begin", custom=True),
    ]


def test_a_call_of_a_tool_in_a_namespace() -> None:
    names = {"call_id": "c", "namespace": "crm", "name": "list"}
    stream = sse(
        created(),
        added(0, "function_call", **names, arguments=""),
        done(0, "function_call", **names, arguments="{}"),
        completed(),
    )
    assert collect(decode([stream])).parts == [
        ToolCall("c", "crm__list", "{}", extras={"responses": {"namespace": "crm", "name": "list"}})
    ]


def test_interleaved_calls_come_out_one_after_the_other() -> None:
    stream = sse(
        created(),
        added(0, "function_call", call_id="a", name="one", arguments=""),
        added(1, "function_call", call_id="b", name="two", arguments=""),
        delta(0, "function_call_arguments", '{"x"'),
        delta(1, "function_call_arguments", '{"y"'),
        delta(0, "function_call_arguments", ":1}"),
        delta(1, "function_call_arguments", ":2}"),
        event("function_call_arguments.done", output_index=0, arguments='{"x":1}'),
        event("function_call_arguments.done", output_index=1, arguments='{"y":2}'),
        done(1, "function_call", call_id="b", name="two", arguments='{"y":2}'),
        done(0, "function_call", call_id="a", name="one", arguments='{"x":1}'),
        completed(),
    )
    assert collect(decode_everywhere(stream)).parts == [
        ToolCall("a", "one", '{"x":1}'),
        ToolCall("b", "two", '{"y":2}'),
    ]


def test_a_search_with_sources_and_the_text_that_cites_them() -> None:
    response = collect(decode([SEARCH]))
    assert response.parts == [
        HostedCall(
            "item_0", "web_search", '{"query":"q"}', {"sources": [{"url": "https://a.example"}]}
        ),
        Text("So.", citations=[Citation("https://a.example", "A", 0, 2)]),
    ]
    assert response.usage is not None
    assert response.usage.web_searches == 1


def test_progress_of_hosted_tools_is_a_sign_of_life() -> None:
    assert sum(isinstance(item, Tick) for item in decode([SEARCH])) == 3
    assert sum(isinstance(item, Tick) for item in decode([IMAGE])) == 1


def test_an_image_is_complete_whatever_its_status_says() -> None:
    assert collect(decode([IMAGE])).parts == [
        HostedCall(
            "item_0",
            "image_generation",
            '{"prompt":"a dot"}',
            {"media_type": "image/png", "data": "iVBO"},
        )
    ]


def test_words_of_refusal() -> None:
    response = collect(decode([REFUSAL]))
    assert (response.stop, response.parts) == ("refusal", [Text("I can not.", refusal=True)])


def test_other_items_stay_whole() -> None:
    item: JsonObject = {"type": "shell_call", "id": "item_0", "action": {}}
    stream = sse(created(), done(0, "shell_call", action={}), completed())
    assert collect(decode([stream])).parts == [Foreign("responses", "shell_call", item)]


def test_a_compaction_says_who_made_it() -> None:
    stream = sse(created(), done(0, "compaction", encrypted_content="x"), completed())
    (part,) = collect(decode([stream])).parts
    assert isinstance(part, Foreign)
    assert seals.unpack(part.data["encrypted_content"]) == Seal("vendor", "x")


def test_several_content_parts_of_a_message() -> None:
    stream = sse(
        created(),
        added(0, "message", role="assistant", content=[]),
        text_delta(0, "One.", 0),
        event("content_part.done", output_index=0, content_index=0, part=said("One.", CITED)),
        text_delta(0, "Two.", 1),
        message(0, said("One.", CITED), said("Two.")),
        completed(),
    )
    assert collect(decode_everywhere(stream)).parts == [
        Text("One.", citations=[Citation("https://a.example", "A", 0, 2)]),
        Text("Two."),
    ]


def test_totals_with_cache_writes_and_counted_searches() -> None:
    usage = USAGE | {"input_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 7}}
    stream = sse(
        created(),
        message(0, said("Hi")),
        completed(usage=usage, tool_usage={"web_search": {"num_requests": 3}}),
    )
    assert collect(decode([stream])).usage == Usage(100, 40, 7, 20, 5, 3, usage)


@each("usage", [None, {}, {"input_tokens_details": None}, "many"])
def test_totals_may_be_missing(usage: object) -> None:
    stream = sse(created(), message(0, said("Hi")), completed(usage=usage))
    totals = collect(decode([stream])).usage
    assert totals is None or totals == Usage(raw=totals.raw)


def test_unknown_events_are_shown_to_the_provider_and_are_signs_of_life() -> None:
    limits: JsonObject = {"type": "codex.rate_limits", "plan_type": "plus"}
    seen: list[tuple[str, bytes]] = []
    reader = StreamReader("codex", on_unknown=lambda kind, data: seen.append((kind, data)))
    # The very first is not worth an event: nothing may come before Begin.
    assert reader.feed(sse(limits)) == []
    events = reader.feed(sse(created(), limits, {"type": "keepalive"}))
    assert events == [Begin("resp_1", "upstream-model"), Tick(), Tick()]
    assert [kind for kind, _ in seen] == ["codex.rate_limits", "codex.rate_limits", "keepalive"]
    assert seen[0][1] == dumps(limits)


def test_a_comment_is_a_sign_of_life() -> None:
    reader = StreamReader("codex")
    reader.feed(sse(created()))
    assert reader.feed(b": keep-alive\n\n") == [Tick()]


def test_a_large_envelope_still_tells_who_answers() -> None:
    instructions = 'Say "model":"x" or \\"model\\": no.' * 400
    response = {"id": "resp_9", "instructions": instructions, "model": "gpt-x", "output": []}
    assert decode([sse(event("created", response=response)), TEXT])[0] == Begin("resp_9", "gpt-x")


def test_events_without_frames() -> None:
    reader = StreamReader("codex")
    events: list[Event] = []
    for item in (created(), text_delta(0, "Hi"), completed()):
        events += reader.feed_event(dumps(item))
    assert without_ticks(events) == snapshot(
        [
            Begin(id="resp_1", model="upstream-model"),
            Open(index=0, part=Text(text="")),
            Delta(index=0, text="Hi"),
            Close(index=0),
            End(reason="stop", usage=TOTALS),
        ]
    )
    assert reader.feed_event(dumps(created())) == []


def test_whether_the_turn_is_over_is_passed_on() -> None:
    stream = sse(created(), message(0, said("Hi")), completed(end_turn=False))
    assert collect(decode([stream])).extras == {"responses": {"end_turn": False}}


def test_the_protocol_does_not_answer_back() -> None:
    assert StreamReader("codex").data_to_send() == b""


def test_tools_get_the_names_of_the_client_back() -> None:
    """Also inside a namespace."""
    calls = [
        {"call_id": "a", "name": "short"},
        {"call_id": "b", "name": "other"},
        {"call_id": "c", "name": "short", "namespace": "server"},
    ]
    items = [done(at, "function_call", **call, arguments="{}") for at, call in enumerate(calls)]
    reader = StreamReader("vendor", tool_names={"short": "a.long.name", "server": "c.rm"})
    kept = {"responses": {"namespace": "c.rm", "name": "a.long.name"}}
    assert collect(reader.feed(sse(created(), *items, completed()))).parts == [
        ToolCall("a", "a.long.name", "{}"),
        ToolCall("b", "other", "{}"),
        ToolCall("c", "c.rm__a.long.name", "{}", extras=kept),
    ]
