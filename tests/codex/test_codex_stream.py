"""How the answers of the Codex backend are decoded, beyond what any Responses stream is."""

from collections.abc import Callable

import pytest

from gateway_codex.plugin import CodexProvider
from gateway_core import (
    ContextOverflow,
    Event,
    Forbidden,
    FunctionTool,
    GatewayError,
    InvalidRequest,
    JsonObject,
    Message,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    Request,
    Seal,
    Text,
    ToolCall,
    UpstreamCall,
    UpstreamFailed,
    UpstreamProtocol,
)
from gateway_core.events import Begin, Close, Delta, End, Fail, Open
from gateway_core.json import dumps
from gateway_core.parts import collect
from support.codex_asking import decoded, translated
from support.responses_wire import (
    added,
    completed,
    created,
    delta,
    done,
    event,
    message,
    said,
    sse,
    text_delta,
    without_ticks,
)

LONG = "mcp__server__" + "long_" * 12 + "name"
LIMITS: JsonObject = {
    "type": "codex.rate_limits",
    "plan_type": "plus",
    "rate_limits": {
        "allowed": True,
        "limit_reached": False,
        "primary": {"used_percent": 42, "window_minutes": 300, "reset_at": 4_000_000_000},
        "secondary": {"used_percent": 84, "window_minutes": 10080, "reset_at": 4_000_000_000},
    },
    "credits": {"has_credits": False, "unlimited": False, "balance": None},
}
REACHED: JsonObject = {
    **LIMITS,
    "rate_limits": {
        "limit_reached": True,
        "primary": {"used_percent": 100, "window_minutes": 300, "reset_at": 4_000_000_000},
    },
}
ANSWER = (
    created(),
    added(0, "reasoning", summary=[]),
    delta(0, "reasoning_summary_text", "**Greeting**", summary_index=0),
    done(
        0,
        "reasoning",
        summary=[{"type": "summary_text", "text": "**Greeting**"}],
        encrypted_content="gAAAAx",
    ),
    added(1, "function_call", call_id="call_1", name="run", arguments=""),
    added(2, "function_call", call_id="call_2", name="run", arguments=""),
    delta(2, "function_call_arguments", '{"b":'),
    delta(1, "function_call_arguments", '{"a":"ü"}'),
    delta(2, "function_call_arguments", "2}"),
    done(1, "function_call", call_id="call_1", name="run", arguments='{"a":"ü"}'),
    done(2, "function_call", call_id="call_2", name="run", arguments='{"b":2}'),
    completed(),
)
HELLO = (created(), text_delta(0, "Hello"), message(0, said("Hello")), completed())


@pytest.fixture
def call() -> UpstreamCall:
    """A call with a tool whose name had to be shortened."""
    request = Request("gpt-5.5", [Message("user", [Text("Hi")])])
    request.tools = [FunctionTool(LONG, None, {"type": "object", "properties": {}})]
    return translated(request)


Decode = Callable[..., list[Event]]


@pytest.fixture
def decode(call: UpstreamCall) -> Decode:
    """Decodes events, in one read, as the answer to the call."""
    return lambda *events: decoded([sse(*events)], call)


def failure(events: list[Event]) -> GatewayError:
    last = events[-1]
    assert isinstance(last, Fail)
    return last.error


def test_an_answer_with_reasoning_and_interleaved_calls(decode: Decode, call: UpstreamCall) -> None:
    response = collect(decode(*ANSWER))
    thought, first, second = response.parts
    assert thought.seal == Seal("codex", "gAAAAx", "item_0", call.state.scope)  # type: ignore[union-attr]  # else it fails
    assert first == ToolCall("call_1", "run", '{"a":"ü"}')
    assert second == ToolCall("call_2", "run", '{"b":2}')
    assert response.stop == "tool_use"


def test_any_split_of_the_bytes_gives_the_same_events(call: UpstreamCall) -> None:
    data = sse(LIMITS, *ANSWER)
    events = decoded([data], call)
    assert decoded([data[at : at + 1] for at in range(len(data))], call) == events
    for at in range(1, len(data), 7):
        assert decoded([data[:at], data[at:]], call) == events


def test_every_truncation_fails(call: UpstreamCall) -> None:
    data = sse(*ANSWER)
    end = data.rindex(b"\n\n")
    for at in range(0, end, 13):
        assert isinstance(failure(decoded([data[:at]], call)), UpstreamProtocol)


def test_garbage_fails(call: UpstreamCall) -> None:
    assert isinstance(failure(decoded([b"data: {nonsense\n\n"], call)), UpstreamProtocol)


def test_a_shortened_tool_name_is_restored(decode: Decode, call: UpstreamCall) -> None:
    ((alias, _),) = call.state.restore
    events = decode(
        created(),
        added(0, "function_call", call_id="c", name=alias, arguments=""),
        done(0, "function_call", call_id="c", name=alias, arguments="{}"),
        completed(),
    )
    (tool,) = collect(events).parts
    assert tool == ToolCall("c", LONG, "{}")


def test_private_events_say_nothing_to_the_client(decode: Decode) -> None:
    metadata = {"type": "codex.response.metadata", "metadata": {"conversation_id": "conv_1"}}
    keepalive = {"type": "keepalive", "sequence_number": 7}
    plain = without_ticks(decode(*HELLO))
    assert without_ticks(decode(LIMITS, metadata, *HELLO[:2], keepalive, *HELLO[2:])) == plain
    assert [type(item) for item in plain] == [Begin, Open, Delta, Close, End]


async def test_rate_limits_are_remembered_from_headers_and_events(call: UpstreamCall) -> None:
    provider = CodexProvider()
    headers = {
        "x-codex-primary-used-percent": "9",
        "x-codex-primary-window-minutes": "300",
        "x-codex-primary-reset-at": "4000000000",
    }
    decoder = provider.gateway_decoder(call, headers)
    assert remembered(provider, call) == [("5h", 91.0)]
    decoder.feed(sse(LIMITS))
    assert remembered(provider, call) == [("5h", 58.0), ("weekly", 16.0)]


def remembered(provider: CodexProvider, call: UpstreamCall) -> list[tuple[str, float | None]]:
    windows = provider.windows(call.state.account)
    return [(window.name, window.remaining_percent) for window in windows]


def test_a_reached_limit_does_not_stop_an_answer_that_comes(decode: Decode) -> None:
    assert isinstance(decode(REACHED, *HELLO)[-1], End)


def test_a_stream_that_ends_after_a_reached_limit_is_a_used_up_plan(decode: Decode) -> None:
    error = failure(decode(REACHED))
    assert isinstance(error, QuotaExhausted)
    assert error.retry_after is not None
    assert error.retry_after > 3600
    assert "; it resets in" in error.message


def test_credits_go_on_where_a_limit_is_reached(decode: Decode) -> None:
    paid = {**REACHED, "credits": {"has_credits": True}}
    assert isinstance(failure(decode(paid)), UpstreamProtocol)


def failed(code: str | None, words: str = "Words.", **more: object) -> JsonObject:
    response = {"status": "failed", "error": {"code": code, "message": words, **more}}
    return event("failed", response=response)


def error_event(**error: object) -> JsonObject:
    return {"type": "error", "error": error}


OVERFLOW = "Your input exceeds the context window of this model. Please adjust your input."


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        (failed("context_length_exceeded", OVERFLOW), ContextOverflow),
        (failed(None, OVERFLOW), ContextOverflow),
        (failed("rate_limit_exceeded", "Please try again in 11.054s."), RateLimited),
        (error_event(type="usage_limit_reached", message="Reached"), QuotaExhausted),
        (failed("insufficient_quota"), QuotaExhausted),
        (failed("usage_not_included"), Forbidden),
        (failed("invalid_prompt"), InvalidRequest),
        (failed("cyber_policy", ""), InvalidRequest),
        (failed("server_is_overloaded"), Overloaded),
        (failed("slow_down"), Overloaded),
        (failed("server_error", "Selected model is at capacity."), Overloaded),
        (failed("server_error"), UpstreamFailed),
        (failed("invalid_encrypted_content"), InvalidRequest),
        (failed("invalid_image_url"), InvalidRequest),
        (failed("something_new"), UpstreamFailed),
        ({"type": "error", "code": "server_error", "message": "Flat."}, UpstreamFailed),
    ],
    ids=lambda value: dumps(value).decode()[:70] if isinstance(value, dict) else value.__name__,
)
def test_failures_in_all_their_spellings(
    decode: Decode, told: JsonObject, kind: type[GatewayError]
) -> None:
    for before in ((), HELLO[:2]):
        error = failure(decode(*before, told, failed("server_error", "Told again.")))
        assert type(error) is kind
        assert error.message


def test_a_short_limit_says_when_to_come_back(decode: Decode) -> None:
    error = failure(decode(failed("rate_limit_exceeded", "Please try again in 11.054s.")))
    assert error.retry_after == pytest.approx(11.054)


def test_reasoning_of_another_account_keeps_its_code(decode: Decode) -> None:
    error = failure(decode(error_event(code="invalid_encrypted_content", message="No.")))
    assert error.code == "invalid_encrypted_content"
