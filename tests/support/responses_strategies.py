"""Requests and answers that the Responses format can carry, and what is left of them on the other
side.

The strategies leave out what the format is documented to lose; `expected_response` states what it
changes.
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from gateway_core import seals
from gateway_core.content import (
    Citation,
    Foreign,
    HostedCall,
    Media,
    Message,
    Part,
    Reasoning,
    ResultPart,
    Seal,
    Text,
    ToolCall,
    ToolResult,
)
from gateway_core.events import Begin, Close, Delta, End, Event, Open, StopReason, Usage, Whole
from gateway_core.json import dumps_text
from gateway_core.parts import Response
from gateway_core.request import (
    EFFORTS,
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

ISSUER = "responses"
TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
NAME = st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True)
URL = st.just("https://a.example/b")
BASE64 = st.binary(min_size=1, max_size=6).map(lambda data: b64encode(data).decode())
OBJECT = st.fixed_dictionaries(
    {"type": st.just("object"), "properties": st.just({}), "title": TEXT}
)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def kept(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Extras of this format with some of these fields, or none."""
    return st.fixed_dictionaries({}, optional=fields).map(
        lambda left: {"responses": left} if left else None
    )


ITEM_EXTRAS = kept(id=NAME, status=st.just("completed"))

# Requests

IMAGES = st.builds(
    Media,
    st.just("image"),
    st.just("image/png"),
    data=BASE64,
    extras=kept(detail=st.sampled_from(["low", "original"])),
) | st.builds(Media, st.just("image"), url=URL)
DOCUMENTS = (
    st.builds(Media, st.just("document"), st.just("application/pdf"), maybe(NAME), data=BASE64)
    | st.builds(Media, st.just("document"), st.just("text/plain"), maybe(NAME), data=TEXT)
    | st.builds(Media, st.just("document"), name=maybe(NAME), file=NAME)
)
AUDIO = st.builds(
    Media, st.just("audio"), st.sampled_from(["audio/wav", "audio/mpeg"]), data=BASE64
)
FUTURE_PART = st.builds(
    lambda text: Foreign("responses", "input_new", {"type": "input_new", "x": text}), TEXT
)
TEXTS = st.builds(Text, TEXT)
USER = st.builds(
    Message,
    st.just("user"),
    st.lists(TEXTS | IMAGES | DOCUMENTS | AUDIO | FUTURE_PART, min_size=1, max_size=3),
    ITEM_EXTRAS,
)
SYSTEM = st.builds(Message, st.just("system"), st.lists(TEXTS, min_size=1, max_size=2), ITEM_EXTRAS)
COMPACTION_TRIGGER = st.builds(
    lambda: Message(
        "user", [Foreign("responses", "compaction_trigger", {"type": "compaction_trigger"})]
    )
)
SEALS = st.builds(Seal, st.just(ISSUER), NAME, maybe(NAME))
SAID = st.builds(
    Text,
    TEXT,
    st.booleans(),
    extras=kept(id=NAME, phase=st.sampled_from(["commentary", "final_answer"])),
)
CITED = st.builds(
    Text,
    TEXT,
    citations=st.lists(
        st.builds(Citation, URL, NAME, st.integers(0, 3), st.integers(3, 9)), min_size=1, max_size=2
    ),
)
SEARCHES = st.builds(
    HostedCall,
    NAME,
    st.just("web_search"),
    TEXT.map(lambda query: dumps_text({"query": query})),
    st.none()
    | st.just({"error": "unavailable"})
    | st.lists(st.builds(lambda url: {"url": url}, URL), max_size=2).map(
        lambda sources: {"sources": sources}
    ),
)
PICTURES = st.builds(
    HostedCall,
    NAME,
    st.just("image_generation"),
    TEXT.map(lambda prompt: dumps_text({"prompt": prompt})),
    st.none() | BASE64.map(lambda data: {"media_type": "image/webp", "data": data}),
)
COMPACTIONS = st.builds(
    lambda text: Foreign(
        "responses", "compaction", {"type": "compaction", "encrypted_content": text}
    ),
    TEXT,
)
RESULT_PARTS: st.SearchStrategy[ResultPart] = TEXTS | IMAGES | DOCUMENTS


@st.composite
def _turns(draw: st.DrawFn) -> list[Message]:
    """What an assistant says, and the results of its calls when it made any."""
    parts: list[Part] = []
    if draw(st.booleans()):
        seal = draw(SEALS)
        reasoning = draw(st.text(st.characters(codec="utf-8"), max_size=12))
        extras: Any = {"responses": {"id": seal.id}} if seal.id else None
        parts.append(Reasoning(reasoning, seal, extras=extras))
    parts += draw(
        st.lists(SAID | CITED | SEARCHES | PICTURES | COMPACTIONS, min_size=1, max_size=3)
    )
    calls = [
        ToolCall(
            f"call_{number}",
            draw(NAME),
            draw(TEXT),
            custom=draw(st.booleans()),
            extras=draw(ITEM_EXTRAS),
        )
        for number in range(draw(st.integers(0, 2)))
    ]
    messages = [Message("assistant", [*parts, *calls])]
    if calls:
        results: list[Part] = [
            ToolResult(
                call.id,
                draw(st.lists(RESULT_PARTS, max_size=2)),
                failed=draw(st.booleans()),
                custom=call.custom,
                extras=draw(ITEM_EXTRAS),
            )
            for call in calls
        ]
        messages.append(Message("user", results))
    return messages


def _joined(messages: list[Message]) -> list[Message]:
    """Turns of the assistant that stand side by side are one; call ids are unique."""
    joined: list[Message] = []
    for number, message in enumerate(messages):
        for part in message.parts:
            if isinstance(part, ToolCall):
                part.id = f"{number}_{part.id}"
            elif isinstance(part, ToolResult):
                part.call_id = f"{number - 1}_{part.call_id}"
        if message.role == "assistant" and joined and joined[-1].role == "assistant":
            joined[-1].parts.extend(message.parts)
        else:
            joined.append(message)
    return joined


MESSAGES = st.lists(
    _turns() | (USER | SYSTEM | COMPACTION_TRIGGER).map(lambda message: [message]), max_size=4
).map(lambda turns: _joined([message for turn in turns for message in turn]))

GROUP = {"type": "namespace", "name": "crm", "description": "Customers"}
FORMATS = maybe(
    st.sampled_from(
        [{"type": "text"}, {"type": "grammar", "syntax": "lark", "definition": "start: X"}]
    )
)
GROUPED = st.builds(
    lambda name, tool: replace(
        tool, name=f"crm__{name}", extras={"responses": {"name": name, "namespace": GROUP}}
    ),
    NAME,
    st.builds(FunctionTool, NAME, maybe(TEXT), OBJECT, st.booleans())
    | st.builds(CustomTool, NAME, maybe(TEXT), FORMATS),
)
HOSTED: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {"type": "web_search"},
        {"type": "web_search", "search_context_size": "low", "external_web_access": True},
        {"type": "image_generation", "size": "auto", "action": "edit"},
        {"type": "tool_search", "execution": "client"},
    ]
)
OPTIONS = {"search_context_size": "context_size", "size": "size"}


def _hosted(tool: dict[str, Any]) -> HostedTool:
    options = {OPTIONS[key]: value for key, value in tool.items() if key in OPTIONS}
    kind = str(tool["type"])
    return HostedTool(kind, kind, options, {"responses": tool} if len(tool) > 1 else None)


TOOLS: st.SearchStrategy[list[Tool]] = st.tuples(
    st.lists(
        st.builds(FunctionTool, NAME, maybe(TEXT), OBJECT, st.booleans())
        | st.builds(CustomTool, NAME, maybe(TEXT), FORMATS)
        | HOSTED.map(_hosted),
        max_size=3,
    ),
    st.lists(GROUPED, max_size=2),
).map(lambda drawn: list({tool.name: tool for tools in drawn for tool in tools}.values()))


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
SAMPLINGS = st.builds(Sampling, maybe(st.integers(1, 100_000)), NUMBERS, NUMBERS)
EFFORT_SPECS = st.builds(
    lambda effort, summary: ReasoningSpec(
        enabled=False if effort == "none" else None, effort=effort, summary=summary
    ),
    maybe(st.sampled_from(EFFORTS)),
    maybe(st.sampled_from(["auto", "concise", "detailed"])),
)
HINTS = st.builds(
    SessionHints,
    user=maybe(NAME),
    cache_key=maybe(NAME),
    service_tier=maybe(NAME),
    store=st.just(False),
    metadata=maybe(st.dictionaries(NAME, TEXT, max_size=2)),
).map(lambda hints: replace(hints, session_id=hints.cache_key))

REQUESTS = TOOLS.flatmap(
    lambda tools: st.builds(
        Request,
        model=st.just("m"),
        messages=MESSAGES,
        instructions=st.lists(TEXTS, max_size=1),
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

PHASES = kept(phase=st.sampled_from(["commentary", "final_answer"]))
ANSWER_PARTS: st.SearchStrategy[Part] = st.one_of(
    st.builds(
        Text,
        TEXT,
        citations=maybe(
            st.lists(
                st.builds(Citation, URL, maybe(NAME), maybe(st.integers(0, 3)), st.just(9)),
                min_size=1,
                max_size=2,
            )
        ),
        extras=PHASES,
    ),
    st.builds(Text, TEXT, refusal=st.just(True)),
    st.builds(Reasoning, TEXT, maybe(st.builds(Seal, NAME, TEXT))),
    st.builds(Reasoning, st.just(""), st.builds(Seal, NAME, TEXT)),
    st.builds(ToolCall, st.just("id"), NAME, st.just("") | st.just('{"x":1}') | TEXT),
    st.builds(ToolCall, st.just("id"), NAME, TEXT, custom=st.just(True)),
    st.builds(
        ToolCall,
        st.just("id"),
        st.just("crm__list"),
        TEXT,
        extras=st.just({"responses": {"namespace": "crm", "name": "list"}}),
    ),
    st.builds(Media, st.just("image"), st.just("image/png"), data=BASE64),
    SEARCHES,
    PICTURES,
    COMPACTIONS,
    st.builds(HostedCall, st.just("x"), st.just("code_execution"), st.just("{}")),
)
COUNTS = maybe(st.integers(0, 1000))
USAGES = maybe(st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS))
REASONS: st.SearchStrategy[StopReason] = st.sampled_from(
    ["stop", "stop_sequence", "length", "tool_use", "refusal", "pause", "context_window", "other"]
)


@st.composite
def answers(draw: st.DrawFn) -> tuple[Response, list[Event]]:
    """An answer, whole and as events; each text cut in two at random."""
    parts = draw(st.lists(ANSWER_PARTS, max_size=5))
    for number, part in enumerate(parts):
        if isinstance(part, ToolCall):
            part.id = f"call_{number}"
    # Something to read comes last, because nothing to read at all is an error.
    parts.append(Text(draw(TEXT)))
    response = Response(parts, draw(REASONS), usage=draw(USAGES))
    events: list[Event] = [Begin("upstream-1", "upstream-model")]
    for index, part in enumerate(parts):
        if isinstance(part, Text | ToolCall) or (isinstance(part, Reasoning) and part.text):
            text = part.arguments if isinstance(part, ToolCall) else part.text
            cut = draw(st.integers(0, len(text)))
            pieces = [piece for piece in (text[:cut], text[cut:]) if piece]
            events += _streamed(index, part, pieces)
        elif isinstance(part, Reasoning | Media | HostedCall | Foreign):
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


def expected_response(response: Response, issuer: str, ids: Sequence[str]) -> Response:
    """What a reader makes of the written answer.

    Ids are the writer's; seals are packed and belong to the issuer; offsets of citations and totals
    that were unknown are 0, titles empty; an image is a generated one; hosted tools that the format
    does not know are gone; a function call without arguments has `{}`.
    """
    written = [
        part
        for part in response.parts
        if not (isinstance(part, HostedCall) and part.name == "code_execution")
    ]
    parts = [_read_part(part, issuer, id) for part, id in zip(written, ids, strict=True)]
    refused = any(isinstance(part, Text) and part.refusal for part in parts)
    stop: StopReason = "stop"
    if response.stop in ("length", "context_window"):
        stop = "length"
    elif refused or response.stop == "refusal":
        stop = "refusal"
    elif any(isinstance(part, ToolCall) for part in parts):
        stop = "tool_use"
    searches = sum(isinstance(part, HostedCall) and part.name == "web_search" for part in parts)
    usage = response.usage or Usage()
    return Response(
        parts,
        stop,
        usage=Usage(
            usage.input or 0,
            usage.cache_read or 0,
            usage.cache_write,
            usage.output or 0,
            usage.reasoning or 0,
            searches or None,
        ),
    )


def _read_part(part: Part, issuer: str, id: str) -> Part:
    if isinstance(part, Text):
        citations = [
            Citation(c.url, c.title or "", c.start or 0, c.end or 0) for c in part.citations or ()
        ]
        return replace(part, citations=citations or None)
    if isinstance(part, Reasoning):
        seal = part.seal and Seal(issuer, seals.pack(part.seal), id)
        return Reasoning(part.text, seal)
    if isinstance(part, ToolCall):
        return replace(part, arguments=part.arguments or ("" if part.custom else "{}"))
    if isinstance(part, Media):
        result = {"media_type": part.type, "data": part.data}
        return HostedCall(id, "image_generation", "{}", result)
    if isinstance(part, HostedCall):
        return replace(part, id=id)
    if isinstance(part, Foreign):
        opaque = seals.pack(Seal(issuer, part.data["encrypted_content"]))
        return replace(part, data={**part.data, "id": id, "encrypted_content": opaque})
    raise AssertionError(f"an answer holds no {part!r}")
