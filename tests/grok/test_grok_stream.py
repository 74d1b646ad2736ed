"""How xAI's answers are decoded: the transcripts of all features, and what goes wrong."""

import tomllib
from pathlib import Path

import pytest
from inline_snapshot import snapshot

from gateway_core import (
    ContextOverflow,
    Event,
    GatewayError,
    HostedCall,
    HostedTool,
    JsonObject,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    Reasoning,
    Seal,
    Text,
    Unauthorized,
    UpstreamCall,
    UpstreamFailed,
    UpstreamProtocol,
    Usage,
)
from gateway_core.content import Citation, Foreign, ToolCall
from gateway_core.events import Begin, End, Fail, Notice, NoticeSeen
from gateway_core.json import dumps
from gateway_core.parts import collect
from gateway_core.request import Sampling, SessionHints
from gateway_grok.errors import refine
from gateway_grok.plugin import GrokProvider
from support.about import each
from support.grok_asking import decoded, hello, translated
from support.pictures import PNG_BASE64
from support.responses_wire import (
    added,
    completed,
    created,
    done,
    message,
    said,
    sse,
    text_delta,
    without_ticks,
)

FOLDER = Path(__file__).parent / "transcripts"
STREAMS = sorted(path.stem for path in FOLDER.glob("*.sse"))


def facts_of(name: str) -> JsonObject:
    return tomllib.loads((FOLDER / f"{name}.toml").read_text())


ALL = sorted(path.stem for path in FOLDER.glob("*.toml"))
ANSWERS = [name for name in ALL if "status" not in facts_of(name)]
REFUSALS = [name for name in ALL if "status" in facts_of(name)]


def data_of(name: str) -> bytes:
    (path,) = (path for path in FOLDER.glob(f"{name}.*") if path.suffix != ".toml")
    return path.read_bytes()


def call_for(name: str) -> UpstreamCall:
    return translated(hello(), facts_of(name).get("model", "grok-4.5"))


def events_of(name: str) -> list[Event]:
    return decoded([data_of(name)], call_for(name), facts_of(name).get("headers", {}))


def failure(events: list[Event]) -> GatewayError:
    last = events[-1]
    assert isinstance(last, Fail)
    return last.error


@each("name", ANSWERS)
def test_the_transcript_means_what_is_written_beside_it(name: str) -> None:
    expected = facts_of(name)["expect"]
    events = events_of(name)
    if "error" in expected:
        assert failure(events).kind == expected["error"]
        return
    answer = collect(events)
    assert answer.stop == expected["end"]
    texts = "".join(part.text for part in answer.parts if isinstance(part, Text))
    thoughts = "".join(part.text for part in answer.parts if isinstance(part, Reasoning))
    calls = [
        {"name": part.name, "arguments": part.arguments}
        for part in answer.parts
        if isinstance(part, ToolCall)
    ]
    assert texts == expected.get("text", texts)
    assert thoughts == expected.get("reasoning", thoughts)
    assert calls == expected.get("tools", calls)
    usage = answer.usage or Usage()
    assert {name: getattr(usage, name) for name in expected.get("usage", {})} == expected.get(
        "usage", {}
    )


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_means_what_is_written_beside_it(name: str) -> None:
    facts, call = facts_of(name), call_for(name)
    error = GrokProvider().gateway_error(facts["status"], facts["headers"], data_of(name), call)
    assert error.kind == facts["expect"]["error"]


@pytest.mark.parametrize("name", STREAMS)
def test_any_split_of_the_bytes_gives_the_same_events(name: str) -> None:
    data, call, events = data_of(name), call_for(name), without_ticks(events_of(name))
    assert without_ticks(decoded([data[at : at + 1] for at in range(len(data))], call)) == events
    for at in range(1, len(data), 11):
        assert without_ticks(decoded([data[:at], data[at:]], call)) == events


@pytest.mark.parametrize("name", ["text-with-reasoning", "function-call-in-pieces"])
def test_every_truncation_fails(name: str) -> None:
    data, call = data_of(name), call_for(name)
    end = data.index(b"event: response.completed")
    for at in range(0, end, 13):
        assert isinstance(failure(decoded([data[:at]], call)), UpstreamProtocol)


def test_garbage_fails() -> None:
    assert isinstance(
        failure(decoded([b"data: {nonsense\n\n"], translated(hello()))), UpstreamProtocol
    )


def test_reasoning_is_sealed_for_its_account() -> None:
    call = call_for("text-with-reasoning")
    thought, text = collect(events_of("text-with-reasoning")).parts
    seal = Seal("grok", "q0XhPzR2", "rs_00", call.state.scope)
    assert thought == Reasoning("Short greeting.", seal)
    assert text == Text("Hello")


def test_a_seal_without_words_is_a_thought_of_its_own() -> None:
    (thought, _) = collect(events_of("reasoning-sealed")).parts
    assert isinstance(thought, Reasoning)
    assert thought.seal is not None
    assert (thought.text, thought.seal.data) == ("", "q0XhPzR2")


def test_a_web_search_brings_its_sources_and_citations() -> None:
    answer = collect(events_of("web-search"))
    search, opened, text = answer.parts
    assert isinstance(search, HostedCall)
    assert (search.name, search.arguments) == ("web_search", '{"query":"weather oslo"}')
    assert search.result == {"sources": [{"url": "https://example.org/oslo"}]}
    assert isinstance(opened, HostedCall)
    assert opened.arguments == '{"type":"open_page","url":"https://example.org/oslo"}'
    assert isinstance(text, Text)
    assert text.citations == [Citation("https://example.org/oslo", "Oslo", 0, 11)]
    assert answer.usage is not None
    assert answer.usage.web_searches == 2


def test_what_xai_searched_on_x_by_itself_is_no_call_of_the_client() -> None:
    answer = collect(events_of("x-search-hidden"))
    (text,) = answer.parts
    assert isinstance(text, Text)
    assert text.citations == [Citation("https://x.com/ann/status/1", None, 0, 15)]
    assert answer.stop == "stop"


def test_a_search_of_x_is_shown_as_a_search() -> None:
    search, _ = collect(events_of("x-search-shown")).parts
    assert search == HostedCall(
        "xs_00",
        "web_search",
        '{"query":"oslo weather"}',
        {"sources": [{"url": "https://x.com/ann/status/1"}]},
    )


def test_code_that_xai_ran_is_kept_for_those_who_know_it() -> None:
    ran, _ = collect(events_of("code-interpreter")).parts
    assert isinstance(ran, Foreign)
    assert (ran.namespace, ran.kind, ran.data["code"]) == (
        "responses",
        "code_interpreter_call",
        "print(6*7)",
    )


@pytest.mark.parametrize(
    "item",
    [
        {"type": "x_search_call", "id": "xs_1", "status": "completed"},
        {"type": "code_execution_call", "id": "ce_1"},
        {"type": "custom_tool_call", "call_id": "c", "name": "x_thread_fetch", "input": "{}"},
    ],
    ids=lambda item: item["type"],
)
def test_what_says_nothing_to_a_client_is_left_out(item: JsonObject) -> None:
    rest = {key: value for key, value in item.items() if key != "type"}
    stream = [created(), added(0, item["type"], **rest), done(0, item["type"], **rest)]
    stream += [message(1, said("Hi")), completed({**item, "id": "item_0"})]
    answer = collect(decoded([sse(*stream)], translated(hello())))
    assert answer.parts == [Text("Hi")]


def test_a_custom_call_of_the_client_stays_one() -> None:
    fields = {"call_id": "call_1", "name": "note", "input": "free"}
    stream = [created(), added(0, "custom_tool_call", **fields)]
    stream += [done(0, "custom_tool_call", **fields), completed()]
    (call,) = collect(decoded([sse(*stream)], translated(hello()))).parts
    assert call == ToolCall("call_1", "note", "free", custom=True)


# --- one JSON object in place of a stream -------------------------------------------------------

JSON = {"content-type": "application/json; charset=utf-8"}


def test_a_response_may_come_in_one_piece() -> None:
    item = {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "Hello"}],
    }
    body = {"id": "resp_1", "object": "response", "status": "completed", "output": [item]}
    data = dumps({**body, "usage": {"input_tokens": 3, "output_tokens": 2}})
    answer = collect(decoded([data[:20], data[20:]], translated(hello()), JSON))
    assert (answer.id, answer.parts, answer.stop) == ("resp_1", [Text("Hello")], "stop")


@each("data", [b"", b'{"id":"resp_1","output":[', b"[]", b'{"id":"resp_1"}'])
def test_anything_else_in_one_piece_fails(data: bytes) -> None:
    assert isinstance(failure(decoded([data], translated(hello()), JSON)), UpstreamProtocol)


# --- what was learnt while the call was opened --------------------------------------------------


def test_an_answer_that_is_stored_says_so() -> None:
    call = translated(hello(session=SessionHints(store=True)))
    first = decoded([data_of("text-with-reasoning")], call)[0]
    assert first == Begin("resp_01", "grok-4.5", stored=True)
    assert decoded([data_of("text-with-reasoning")], translated(hello()))[0] == Begin(
        "resp_01", "grok-4.5"
    )


def test_notices_of_the_way_come_first() -> None:
    call = translated(hello())
    call.state.notices.append(Notice("dropped_stop", "left out"))
    events = decoded([data_of("text-with-reasoning")], call)
    assert events[1] == NoticeSeen(Notice("dropped_stop", "left out"))


# --- stop sequences -----------------------------------------------------------------------------


def stopped(pieces: list[str], *sequences: str) -> tuple[str, str, str | None]:
    """Text, reason and sequence of an answer in these pieces."""
    call = translated(hello(sampling=Sampling(stop=[*sequences])))
    stream = [created(), *(text_delta(0, piece) for piece in pieces)]
    stream += [message(0, said("".join(pieces))), completed()]
    answer = collect(decoded([sse(*stream)], call))
    text = "".join(part.text for part in answer.parts if isinstance(part, Text))
    return text, answer.stop, answer.stop_sequence


@each(
    "pieces, sequences, outcome",
    [
        (["one two three"], ["two"], ("one ", "stop_sequence", "two")),
        (["one t", "w", "o three"], ["two"], ("one ", "stop_sequence", "two")),
        (["one t", "wit"], ["two"], ("one twit", "stop", None)),
        (["one t"], ["two"], ("one t", "stop", None)),
        (["a", "a", "b"], ["aab"], ("", "stop_sequence", "aab")),
        (["aaa", "b"], ["aab"], ("a", "stop_sequence", "aab")),
        (["x END y STOP"], ["STOP", "END"], ("x ", "stop_sequence", "END")),
        (["one"], [""], ("one", "stop", None)),
    ],
)
def test_a_stop_sequence_ends_the_answer(
    pieces: list[str], sequences: list[str], outcome: tuple[str, str, str | None]
) -> None:
    assert stopped(pieces, *sequences) == outcome


def test_reasoning_does_not_stop_at_a_sequence() -> None:
    call = translated(hello(sampling=Sampling(stop=["greeting"])))
    answer = collect(decoded([data_of("text-with-reasoning")], call))
    assert answer.stop == "stop"
    assert answer.parts[-1] == Text("Hello")


# --- pictures -----------------------------------------------------------------------------------


def test_a_picture_comes_with_the_words_that_made_it() -> None:
    (picture,) = collect(events_of("picture")).parts
    assert picture == HostedCall(
        "ig_0",
        "image_generation",
        '{"prompt":"A single dot"}',
        {"media_type": "image/png", "data": PNG_BASE64},
    )


@pytest.mark.parametrize(
    ("body", "end"),
    [
        ({"data": [{"b64_json": "/9j/4AA"}]}, "stop"),
        ({"data": [{"respect_moderation": False, "b64_json": None}]}, "refusal"),
    ],
)
def test_a_filtered_picture_is_a_refusal(body: JsonObject, end: str) -> None:
    call = translated(hello(), "grok-imagine-image")
    last = decoded([dumps(body)], call, JSON)[-1]
    assert isinstance(last, End)
    assert last.reason == end


@pytest.mark.parametrize(
    ("encoded", "kind"),
    [
        ("/9j/4AA", "image/jpeg"),
        ("UklGRhI", "image/webp"),
        ("data:image/png;base64,iVBORw", "image/png"),
    ],
)
def test_the_kind_of_a_picture_is_in_its_bytes(encoded: str, kind: str) -> None:
    body = {"data": [{"b64_json": encoded, "revised_prompt": ""}]}
    call = translated(hello(), "grok-imagine-image")
    (picture,) = collect(decoded([dumps(body)], call, JSON)).parts
    assert isinstance(picture, HostedCall)
    assert picture.result is not None
    assert picture.result["media_type"] == kind
    assert picture.arguments == '{"prompt":"Hello"}'


def test_an_answer_without_a_picture_fails() -> None:
    call = translated(hello(tools=[HostedTool("image_generation", "image_generation")]))
    assert isinstance(failure(decoded([b'{"data":[]}'], call)), UpstreamProtocol)


# --- errors inside of streams -------------------------------------------------------------------


@each(
    "code, words, kind",
    [
        ("rate_limit_exceeded", "Slow down.", RateLimited),
        ("server_error", "Oops.", UpstreamFailed),
        ("overloaded_error", "Later.", Overloaded),
        ("service_unavailable_error", "Later.", Overloaded),
        (None, "maximum prompt length is 500000", ContextOverflow),
        (None, "the current message of 9 tokens exceeds budget", ContextOverflow),
        ("subscription:free-usage-exhausted", "Used up.", QuotaExhausted),
        ("personal-team-blocked:spending-limit", "Spent.", QuotaExhausted),
        ("unauthenticated:bad-credentials", "No.", Unauthorized),
    ],
)
def test_errors_in_all_their_words(code: str | None, words: str, kind: type[GatewayError]) -> None:
    told = {"type": "error", "code": code, "message": words, "param": None}
    assert type(failure(decoded([sse(created(), told)], translated(hello())))) is kind


def test_a_seal_that_xai_cannot_read_has_the_code_that_drops_it() -> None:
    told = {"type": "error", "code": "invalid-argument", "message": "bad `encrypted_content`"}
    error = failure(decoded([sse(created(), told)], translated(hello())))
    assert error.code == "invalid_encrypted_content"


def test_a_sentence_is_no_code() -> None:
    error = refine(UpstreamFailed("Words.", code="client specified an invalid argument"))
    assert error.code is None


def test_the_end_of_an_answer_is_the_last_event() -> None:
    data = data_of("text-with-reasoning")
    assert isinstance(decoded([data, data], call_for("text-with-reasoning"))[-1], End)


def test_the_events_of_a_plain_answer() -> None:
    events = events_of("function-call-in-one-piece")
    assert [type(event).__name__ for event in events] == snapshot(
        ["Begin", "Tick", "Open", "Delta", "Close", "End"]
    )
