"""The real SDKs and plain clients through a gateway with the Kimi provider.

The simulator refuses what Kimi would; `no_violations` holds after each test.
"""

import re
from collections.abc import Callable, Iterator

import httpx
import pytest

from simulators.kimi.installed import kimi_gateway
from simulators.kimi.server import KimiSimulator
from support.about import each
from support.conversations import AnthropicTalk, ChatTalk, ResponsesTalk, Talk, Turn
from support.dialects import ANTHROPIC, CHAT, DIALECTS, Dialect
from support.pictures import PNG_BASE64
from support.server import Gateway

TURNS = 3
STEP = """\
think: Thinking {number}.
text: Step {number}.
tool: lookup {{"topic": "number {number}"}}
tool: clock
"""
SHAPES = (
    "split usage-in-choice",
    "usage-on-top interleave",
    "no-ids stop-with-calls no-done",
    "no-index comments",
)
REFUSALS = {
    "403 access_terminated_error You've reached your weekly usage limit": (429, "gateway status"),
    "403 access_terminated_error only available for Coding Agents": (403, "user_agent"),
    "429 exceeded_current_quota_error check your account balance": (429, "gateway status"),
    "429 rate_limit_reached_error retry=600 max RPM: 20": (429, "max RPM"),
    "400 invalid_request_error exceeded model token limit: 262144": (400, "prompt is too long"),
    "402 membership_error Your membership has expired": (403, "subscription"),
    "404 resource_not_found_error Not found the model": (404, "gateway models"),
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[KimiSimulator, Gateway]]:
    with (
        KimiSimulator() as simulator,
        kimi_gateway(simulator, tmp_path_factory.mktemp("home")) as gateway,
    ):
        yield simulator, gateway


@pytest.fixture
def simulator(shared: tuple[KimiSimulator, Gateway]) -> Iterator[KimiSimulator]:
    simulator = shared[0]
    yield simulator
    assert simulator.violations == []


@pytest.fixture
def gateway(shared: tuple[KimiSimulator, Gateway]) -> Gateway:
    return shared[1]


@pytest.fixture(params=[AnthropicTalk, ChatTalk, ResponsesTalk])
def kind(request: pytest.FixtureRequest) -> Callable[..., Talk]:
    """A dialect."""
    made: Callable[..., Talk] = request.param
    return made


def results_for(turn: Turn) -> dict[str, str]:
    return {call.id: f"the result of {call.name}" for call in turn.calls}


def ask(gateway: Gateway, dialect: Dialect, model: str = "k3", **more: object) -> httpx.Response:
    with gateway.http() as http:
        return http.post(dialect.path, json=dialect.body(model, **more))


def test_turns_with_parallel_tools(
    simulator: KimiSimulator, gateway: Gateway, kind: Callable[..., Talk]
) -> None:
    """Reasoning goes back as `reasoning_content`, and each turn begins with the one before."""
    steps = [STEP.format(number=number) for number in range(1, TURNS + 1)]
    simulator.play("---\n".join([*steps, "think: So.\ntext: All of it is done.\n"]))
    talk = kind(gateway, True, "k3")
    turn = talk.say("Look things up")
    for number in range(1, TURNS + 1):
        talk.stream = not talk.stream
        assert (turn.thoughts, turn.text) == (f"Thinking {number}.", f"Step {number}.")
        assert [(call.name, call.arguments) for call in turn.calls] == [
            ("lookup", {"topic": f"number {number}"}),
            ("clock", {}),
        ]
        assert all(re.fullmatch("[a-zA-Z0-9_-]+", call.id) for call in turn.calls)
        turn = talk.give(results_for(turn))

    assert turn.text == "All of it is done."
    assert turn.spent is not None
    assert turn.spent.cached == 600
    assert [request.prefix_kept for request in simulator.requests] == [None, True, True, True]
    last = simulator.requests[-1]
    thoughts = [message["reasoning_content"] for message in last.of_role("assistant")]
    assert thoughts == ["Thinking 1.", "Thinking 2.", "Thinking 3."]
    assert len(last.of_role("tool")) == 2 * TURNS


@each("shapes", SHAPES)
def test_streams_of_any_shape_mean_the_same(
    simulator: KimiSimulator, gateway: Gateway, kind: Callable[..., Talk], shapes: str
) -> None:
    simulator.play(f"shape: {shapes}\n{STEP.format(number=1)}---\ntext: Done.")
    talk = kind(gateway, True, "k3")
    turn = talk.say("Any shape?")
    assert (turn.thoughts, turn.text, len(turn.calls)) == ("Thinking 1.", "Step 1.", 2)
    assert turn.spent is not None
    assert turn.spent.output == 50
    assert talk.give(results_for(turn)).text == "Done."


@pytest.mark.parametrize(
    ("model", "effort", "thinking"),
    [
        ("k3", "medium", {"type": "enabled", "effort": "high", "keep": "all"}),
        ("kimi-k3", "xhigh", {"type": "enabled", "effort": "max", "keep": "all"}),
        ("k3", "none", {"type": "enabled", "effort": "low", "keep": "all"}),
        ("k2.6", "high", {"type": "enabled", "keep": "all"}),
        ("kimi-for-coding", "none", {"type": "disabled"}),
    ],
)
def test_efforts_in_the_words_of_the_model(
    simulator: KimiSimulator, gateway: Gateway, model: str, effort: str, thinking: object
) -> None:
    simulator.play("think: Hm.\ntext: Yes.")
    answer = ask(gateway, CHAT, model, reasoning_effort=effort).json()
    assert simulator.requests[-1].body["thinking"] == thinking
    shown = answer["choices"][0]["message"].get("reasoning_content")
    assert shown == (None if effort == "none" else "Hm.")


def test_pictures_and_videos_go_in_and_pictures_come_back_from_tools(
    simulator: KimiSimulator, gateway: Gateway
) -> None:
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG_BASE64}"}}
    video = {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}}
    call = {"id": "c" * 80, "type": "function", "function": {"name": "see", "arguments": "{}"}}
    simulator.play("text: A dot.")
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "See"}, picture, video]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c" * 80, "content": [picture]},
    ]
    assert ask(gateway, CHAT, messages=messages).status_code == 200
    user, assistant, tool = simulator.requests[-1].messages
    assert user["content"][1:] == [picture, video]
    assert assistant["reasoning_content"] == ""
    assert tool["content"] == [picture]


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
@pytest.mark.parametrize(("refusal", "expected"), REFUSALS.items())
def test_refusals_are_told_apart_and_not_repeated(
    simulator: KimiSimulator,
    gateway: Gateway,
    dialect: Dialect,
    refusal: str,
    expected: tuple[int, str],
) -> None:
    simulator.play(f"http: {refusal}")
    response = ask(gateway, dialect, stream=True)
    status, words = expected
    assert response.status_code == status
    told = dialect.error(response.content)["message"]
    assert words in told or words == "prompt is too long"
    assert len(simulator.requests) == 1


@pytest.mark.parametrize(
    "fault",
    [
        "http: 503 engine_overloaded_error times=1",
        "page: 502 times=1",
        "fail: engine_overloaded_error times=1",
        "cut: times=1",
        "reset: times=1",
        "usage: prompt_tokens=1 completion_tokens=0",
    ],
)
def test_what_may_pass_is_tried_again(
    simulator: KimiSimulator, gateway: Gateway, fault: str
) -> None:
    """Also an answer without a word, which overloaded models give."""
    ending = "" if fault.startswith("usage") else "\ntext: Hello"
    simulator.play(fault + ending)
    response = ask(gateway, ANTHROPIC, stream=True)
    if ending:
        assert ANTHROPIC.success in response.content
        assert len(simulator.requests) == 2
    else:
        assert response.status_code == 502
        assert len(simulator.requests) == 3


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
@pytest.mark.parametrize("end", ["cut", "reset", "fail: engine_overloaded_error"])
def test_half_an_answer_is_a_failure(
    simulator: KimiSimulator, gateway: Gateway, dialect: Dialect, end: str
) -> None:
    simulator.play(f"text: Half of\n{end if ':' in end else end + ':'}")
    response = ask(gateway, dialect, stream=True)
    assert dialect.failure in response.content
    assert dialect.success not in response.content
