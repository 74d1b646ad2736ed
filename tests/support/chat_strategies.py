"""Requests and answers that the chat format can carry, and what is left of them on the other side.

The strategies leave out what the format is documented to lose; `expected_response` states what it
changes.
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from gateway_core.content import (
    Citation,
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
from gateway_core.events import Begin, Close, Delta, End, Event, Open, StopReason, Usage, Whole
from gateway_core.formats.chat.write_body import seal_detail
from gateway_core.json import dumps_text
from gateway_core.parts import Response
from gateway_core.request import (
    EFFORTS,
    CustomTool,
    FunctionTool,
    OutputSpec,
    ReasoningSpec,
    Request,
    Sampling,
    SessionHints,
    Tool,
    ToolChoice,
)

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
NAME = st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True)
BASE64 = st.binary(min_size=1, max_size=6).map(lambda data: b64encode(data).decode())
OBJECT = st.fixed_dictionaries({"type": st.just("object"), "title": TEXT})


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


# Requests

IMAGES = st.builds(
    Media,
    st.just("image"),
    st.just("image/png"),
    data=BASE64,
    extras=maybe(st.just({"chat": {"detail": "low"}})),
) | st.builds(Media, st.just("image"), url=st.just("https://a.example/b.png"))
DOCUMENTS = (
    st.builds(Media, st.just("document"), st.just("application/pdf"), maybe(NAME), data=BASE64)
    | st.builds(Media, st.just("document"), st.just("text/plain"), maybe(NAME), data=TEXT)
    | st.builds(Media, st.just("document"), name=maybe(NAME), file=NAME)
)
AUDIO = st.builds(
    Media, st.just("audio"), st.sampled_from(["audio/wav", "audio/mpeg"]), data=BASE64
)
USER = st.builds(
    Message,
    st.just("user"),
    st.lists(st.builds(Text, TEXT) | IMAGES | DOCUMENTS | AUDIO, min_size=1, max_size=3),
)
SYSTEM = st.builds(
    Message, st.just("system"), st.lists(st.builds(Text, TEXT), min_size=1, max_size=1)
)
REASONING = st.builds(
    Reasoning,
    TEXT,
    maybe(st.builds(Seal, st.just("chat"), st.just('[{"type":"reasoning.text","signature":"x"}]'))),
)


@st.composite
def _turns(draw: st.DrawFn) -> list[Message]:
    """What an assistant says, and the results of its calls when it made any."""
    parts: list[Part] = []
    if draw(st.booleans()):
        parts.append(draw(REASONING))
    parts.append(Text(draw(TEXT)))
    calls = [
        ToolCall(f"call_{number}", draw(NAME), draw(TEXT), custom=draw(st.booleans()))
        for number in range(draw(st.integers(0, 2)))
    ]
    messages = [Message("assistant", [*parts, *calls])]
    if calls:
        results: list[Part] = [
            ToolResult(
                call.id,
                draw(st.lists(st.builds(Text, TEXT), max_size=1)),
                failed=draw(st.booleans()),
                custom=call.custom,
            )
            for call in calls
        ]
        messages.append(Message("user", results))
    return messages


def _renumbered(messages: list[Message]) -> list[Message]:
    """Call ids made unique over the whole conversation."""
    for number, message in enumerate(messages):
        for part in message.parts:
            if isinstance(part, ToolCall):
                part.id = f"{number}_{part.id}"
            elif isinstance(part, ToolResult):
                part.call_id = f"{number - 1}_{part.call_id}"
    return messages


MESSAGES = st.tuples(
    USER, st.lists(_turns() | USER.map(lambda m: [m]) | SYSTEM.map(lambda m: [m]), max_size=3)
).map(lambda drawn: _renumbered([drawn[0], *(message for turn in drawn[1] for message in turn)]))

FORMATS = maybe(
    st.sampled_from(
        [{"type": "text"}, {"type": "grammar", "syntax": "lark", "definition": "start: X"}]
    )
)
TOOLS: st.SearchStrategy[list[Tool]] = st.lists(
    st.builds(FunctionTool, NAME, maybe(TEXT), OBJECT, maybe(st.booleans()))
    | st.builds(CustomTool, NAME, maybe(TEXT), FORMATS),
    max_size=3,
    unique_by=lambda tool: tool.name,
)


def _choices(tools: list[Tool]) -> st.SearchStrategy[ToolChoice]:
    if not tools:
        return st.just(ToolChoice())
    parallel = maybe(st.booleans())
    names = st.lists(st.sampled_from([tool.name for tool in tools]), min_size=1, unique=True)
    return st.builds(
        ToolChoice, st.sampled_from(["auto", "none", "required"]), parallel=parallel
    ) | st.builds(ToolChoice, st.just("tool"), names, st.booleans(), parallel)


OUTPUTS = st.builds(
    OutputSpec,
    st.sampled_from(["text", "json"]),
    verbosity=maybe(st.sampled_from(["low", "medium", "high"])),
) | st.builds(OutputSpec, st.just("json_schema"), NAME, maybe(TEXT), OBJECT, maybe(st.booleans()))
NUMBERS = maybe(st.floats(0, 1))
SAMPLINGS = st.builds(
    Sampling,
    maybe(st.integers(1, 100_000)),
    NUMBERS,
    NUMBERS,
    maybe(st.integers(1, 100)),
    st.lists(TEXT, max_size=2),
    maybe(st.integers(0, 100)),
    NUMBERS,
    NUMBERS,
)
EFFORT_SPECS = maybe(st.sampled_from(EFFORTS)).map(
    lambda effort: ReasoningSpec(enabled=False if effort == "none" else None, effort=effort)
)
HINTS = st.builds(
    SessionHints,
    user=maybe(NAME),
    cache_key=maybe(NAME),
    service_tier=maybe(NAME),
    store=maybe(st.booleans()),
    metadata=maybe(st.dictionaries(NAME, TEXT, max_size=2)),
).map(lambda hints: replace(hints, session_id=hints.cache_key))

REQUESTS = TOOLS.flatmap(
    lambda tools: st.builds(
        Request,
        model=st.just("m"),
        messages=MESSAGES,
        instructions=st.lists(st.builds(Text, TEXT), max_size=1),
        tools=st.just(tools),
        tool_choice=_choices(tools),
        output=OUTPUTS,
        sampling=SAMPLINGS,
        reasoning=EFFORT_SPECS,
        session=HINTS,
        stream=st.just(True),
    )
)

# Answers

CITATIONS = maybe(
    st.lists(
        st.builds(
            Citation,
            st.just("https://a.example"),
            maybe(TEXT),
            st.integers(0, 3),
            st.integers(3, 9),
        ),
        min_size=1,
        max_size=2,
    )
)
ANSWER_PARTS: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, TEXT, citations=CITATIONS),
    st.builds(Text, TEXT, refusal=st.just(True)),
    st.builds(Reasoning, TEXT, maybe(st.builds(Seal, NAME, TEXT))),
    st.builds(ToolCall, st.just("id"), NAME, st.just("") | st.just('{"x":1}') | TEXT),
    st.builds(ToolCall, st.just("id"), NAME, TEXT, custom=st.just(True)),
    st.builds(Media, st.just("image"), st.just("image/png"), data=BASE64),
    st.builds(HostedCall, st.just("ws_1"), st.just("web_search"), st.just("{}")),
)
COUNTS = maybe(st.integers(0, 1000))
USAGES = maybe(st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS))
REASONS: st.SearchStrategy[StopReason] = st.sampled_from(
    ["stop", "stop_sequence", "length", "tool_use", "refusal", "pause", "context_window", "other"]
)


@st.composite
def answers(draw: st.DrawFn) -> tuple[Response, list[Event]]:
    """An answer, whole and as events; each text cut into pieces at random."""
    parts = draw(st.lists(ANSWER_PARTS, max_size=5))
    for number, part in enumerate(parts):
        if isinstance(part, ToolCall):
            part.id = f"call_{number}"
    # Something to read comes last, because nothing to read at all is an error.
    parts.append(Text(draw(TEXT)))
    response = Response(parts, draw(REASONS), usage=draw(USAGES))
    events: list[Event] = [Begin("upstream-1", "upstream-model")]
    for index, part in enumerate(parts):
        if isinstance(part, Text | Reasoning | ToolCall):
            text = part.arguments if isinstance(part, ToolCall) else part.text
            cut = draw(st.integers(0, len(text)))
            pieces = [piece for piece in (text[:cut], text[cut:]) if piece]
            events += _streamed(index, part, pieces)
        elif isinstance(part, Media | HostedCall):
            events.append(Whole(index, part))
    events.append(End(response.stop, None, response.usage))
    return response, events


def _streamed(index: int, part: Text | Reasoning | ToolCall, pieces: list[str]) -> list[Event]:
    deltas = [Delta(index, piece) for piece in pieces]
    if isinstance(part, ToolCall):
        return [Open(index, replace(part, arguments="")), *deltas, Close(index)]
    if isinstance(part, Text):
        opened = replace(part, text="", citations=None)
        return [Open(index, opened), *deltas, Close(index, citations=part.citations)]
    return [Open(index, Reasoning("")), *deltas, Close(index, part.seal)]


def expected_response(response: Response, issuer: str) -> Response:
    """What a reader makes of the written answer.

    Neighbours of one kind become one part; a gap stands between texts that something stood between,
    and between reasonings; a seal becomes the detail that carries it; hosted calls are gone; a call
    without arguments has `{}`; counts that were unknown are 0.
    """
    parts = _read_parts(response.parts, issuer)
    stop = {
        "stop_sequence": "stop",
        "tool_use": "stop",
        "pause": "stop",
        "other": "stop",
        "context_window": "length",
    }.get(response.stop, response.stop)
    if stop == "stop" and any(isinstance(part, Text) and part.refusal for part in parts):
        stop = "refusal"
    elif stop == "stop" and any(isinstance(part, ToolCall) for part in parts):
        stop = "tool_use"
    usage = response.usage or Usage()
    return Response(
        parts,
        stop,  # type: ignore[arg-type]  # a stop reason by the table
        usage=Usage(
            usage.input or 0,
            usage.cache_read or 0,
            usage.cache_write or None,
            usage.output or 0,
            usage.reasoning or 0,
        ),
    )


def _read_parts(parts: Sequence[Part], issuer: str) -> list[Part]:
    read: list[Part] = []
    details: list[Any] = []
    seals = 0
    last_text = -1
    reasoned = False
    for index, part in enumerate(parts):
        last = read[-1] if read else None
        if isinstance(part, Text) and not part.refusal:
            gap = "\n\n" if last_text not in (-1, index - 1) else ""
            if not (isinstance(last, Text) and not last.refusal):
                last = Text("")
                read.append(last)
            start = len(last.text) + len(gap)
            moved = [
                Citation(c.url, c.title or c.url, start + (c.start or 0), start + (c.end or 0))
                for c in part.citations or ()
            ]
            last.text += gap + part.text
            last.citations = [*(last.citations or ()), *moved] or None
            last_text = index
        elif isinstance(part, Text):
            if isinstance(last, Text) and last.refusal:
                last.text += part.text
            else:
                read.append(replace(part))
        elif isinstance(part, Reasoning):
            if not isinstance(last, Reasoning):
                last = Reasoning("")
                details = []
                read.append(last)
            last.text += ("\n\n" if reasoned else "") + part.text
            reasoned = True
            if part.seal is not None:
                details.append(seal_detail(part.seal, seals))
                seals += 1
                last.seal = Seal(issuer, dumps_text(details))
        elif isinstance(part, ToolCall):
            read.append(replace(part, arguments=part.arguments or "{}"))
        elif isinstance(part, Media):
            read.append(part)
    return read
