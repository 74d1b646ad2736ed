"""Requests that are too large: an error where the client compacts, trimming where it does not."""

from typing import Any

import pytest

from gateway_core import ContextOverflow, Media, Message, Request, Text, ToolCall, ToolResult
from gateway_core.request import Source
from gateway_kiro.settings import KiroSettings
from support.about import each
from support.kiro_asking import body_of, messages_of, translated

WORDS = "x" * 1000


def talk(turns: int, *, format: str = "chat", tools: bool = False) -> Request:
    """A conversation of so many turns of a thousand letters."""
    messages = []
    for turn in range(turns):
        messages.append(Message("user", [Text(f"{turn}: {WORDS}")]))
        if tools:
            messages += [
                Message("assistant", [ToolCall(f"c{turn}", "do", "{}")]),
                Message("user", [ToolResult(f"c{turn}", [Text("done")])]),
            ]
        messages.append(Message("assistant", [Text(f"Answer {turn}")]))
    messages.append(Message("user", [Text("And now?")]))
    return Request("m", messages, [Text("Be brief.")], source=Source(format, {}))


def limited(**facts: Any) -> KiroSettings:
    return KiroSettings(**({"payload_limit_bytes": 6000} | facts))


def test_what_fits_is_sent_as_it_is() -> None:
    call = translated(talk(3), settings=limited())
    assert len(messages_of(body_of(call))) == 7
    assert call.state.notices == ()
    assert call.state.size == len(call.body)


def test_claude_code_is_told_to_compact() -> None:
    with pytest.raises(ContextOverflow) as caught:
        translated(talk(9, format="anthropic"), settings=limited())
    assert caught.value.message == "prompt is too long: 200001 tokens > 200000 maximum"


@each("format", ["chat", "responses"])
@each("tools", [False, True])
def test_other_clients_lose_their_oldest_turns_and_are_told(format: str, tools: bool) -> None:
    call = translated(talk(9, format=format, tools=tools), settings=limited())
    messages = messages_of(body_of(call))
    assert call.state.size <= 6000
    assert messages[0]["content"].startswith("Be brief.\n\n")
    assert messages[0]["content"].endswith(WORDS)
    assert messages[-1]["content"] == "And now?"
    (notice,) = call.state.notices
    assert notice.code == "trimmed_history"
    gone = (37 if tools else 19) - len(messages)
    assert f"its {gone} oldest messages" in notice.message


def test_little_more_goes_than_must() -> None:
    call = translated(talk(9), settings=limited())
    assert 3000 < call.state.size <= 6000


def test_what_is_left_begins_the_same_for_several_turns() -> None:
    settings = limited(payload_limit_bytes=20_000)
    beginnings = [
        messages_of(body_of(translated(talk(turns), settings=settings)))[0]["content"]
        for turns in range(20, 44)
    ]
    assert 4 <= len(set(beginnings)) <= 8


def test_one_message_that_is_too_large_cannot_be_trimmed() -> None:
    request = Request("m", [Message("user", [Text(WORDS * 9)])])
    with pytest.raises(ContextOverflow, match="maximum context length is 200000 tokens"):
        translated(request, settings=limited())


def test_results_are_never_cut_off_from_their_calls() -> None:
    request = talk(0)
    request.messages = [
        Message("user", [Text(WORDS * 9)]),
        Message("assistant", [ToolCall("c", "do", "{}")]),
        Message("user", [ToolResult("c", [Text("done")])]),
    ]
    with pytest.raises(ContextOverflow):
        translated(request, settings=limited())


@each(
    "mode, format, trimmed",
    [
        ("trim", "anthropic", True),
        ("error", "chat", False),
        ("auto", "anthropic", False),
        ("auto", "chat", True),
    ],
)
def test_the_settings_decide_who_is_trimmed(mode: str, format: str, trimmed: bool) -> None:
    settings = limited(on_overflow=mode)
    if trimmed:
        assert translated(talk(9, format=format), settings=settings).state.notices
    else:
        with pytest.raises(ContextOverflow):
            translated(talk(9, format=format), settings=settings)


def test_images_do_not_count() -> None:
    image = Media("image", "image/png", data="iVBORw0KGgo=" + "A" * 20_000)
    request = Request("m", [Message("user", [image, Text("See")])])
    call = translated(request, settings=limited())
    assert len(call.body) > 20_000 and call.state.size < 1000


def test_the_guard_can_be_switched_off() -> None:
    call = translated(talk(9, format="anthropic"), settings=limited(payload_limit_bytes=0))
    assert call.state.size > 6000


@pytest.mark.parametrize(
    ("name", "value", "limit"),
    [
        ("KIRO_PAYLOAD_SIZE_LIMIT_BYTES", "900000", 900_000),
        ("KIRO_MAX_PAYLOAD_SIZE_MB", "2", 2 * 1024 * 1024),
        ("KIRO_MAX_PAYLOAD_SIZE_MB", "much", 1_200_000),
        ("UNRELATED", "1", 1_200_000),
    ],
)
def test_variables_of_other_gateways_set_the_limit(
    name: str, value: str, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert KiroSettings().payload_limit_bytes == limit
    assert KiroSettings(payload_limit_bytes=7).payload_limit_bytes == 7
