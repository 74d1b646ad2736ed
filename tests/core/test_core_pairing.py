"""Calls and results in pairs, whatever was left of a history."""

from copy import deepcopy
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway_core.content import Media, Message, Part, ResultPart, Text, ToolCall, ToolResult
from gateway_core.pairing import ABORTED, pair_calls
from support.about import about
from support.chat_strategies import MESSAGES
from support.pictures import PNG_BASE64

GONE = "of an earlier tool call that is no longer part of this conversation]"
PICTURE = Media("image", "image/png", data=PNG_BASE64)


def said(*parts: Part | str) -> Message:
    """By the model: calls by their ids."""
    calls = [ToolCall(part, "f", "{}") if isinstance(part, str) else part for part in parts]
    return Message("assistant", [*calls])


def told(*parts: Part | str) -> Message:
    """By the user."""
    return Message("user", [Text(part) if isinstance(part, str) else part for part in parts])


def result(id: str, *content: ResultPart | str, failed: bool = False) -> ToolResult:
    parts = [Text(part) if isinstance(part, str) else part for part in content]
    return ToolResult(id, [*parts], failed)


def aborted(id: str) -> ToolResult:
    return result(id, ABORTED)


SYSTEM = Message("system", [Text("Be quick.")])
IN_ORDER = {
    "no calls": [told("Hi"), said(Text("Hi")), SYSTEM, told("Go on")],
    "a call": [told("Hi"), said("a"), told(result("a", "1")), said(Text("Done"))],
    "parallel calls": [said("a", "b"), told(result("a", "1"), result("b", "2"), "Go on")],
    "calls in a row": [said("a"), told(result("a", "1")), said("b"), told(result("b", "2"))],
    "a message without content": [told(), said("a"), told(result("a"))],
}
MENDED: dict[str, tuple[list[Message], list[Message]]] = {
    "a call without a result": (
        [said("a"), told("Never mind")],
        [said("a"), told(aborted("a"), "Never mind")],
    ),
    "one of two calls without a result": (
        [said("a", "b"), told(result("b", "2"))],
        [said("a", "b"), told(aborted("a"), result("b", "2"))],
    ),
    "a call without a result before the model goes on": (
        [said("a"), said("b"), told(result("b", "2"))],
        [said("a"), told(aborted("a")), said("b"), told(result("b", "2"))],
    ),
    "a call at the end": ([told("Hi"), said("a")], [told("Hi"), said("a"), told(aborted("a"))]),
    "a free-form call": (
        [said(ToolCall("a", "f", "ls", custom=True))],
        [
            said(ToolCall("a", "f", "ls", custom=True)),
            told(ToolResult("a", [Text(ABORTED)], custom=True)),
        ],
    ),
    "a result without a call": (
        [told(result("x", "sun", PICTURE), "Thanks")],
        [told(f"[Result {GONE}\nsun", PICTURE, "Thanks")],
    ),
    "a picture without a call": ([told(result("x", PICTURE))], [told(f"[Result {GONE}", PICTURE)]),
    "nothing without a call": ([told(result("x"))], [told(f"[Result {GONE}")]),
    "a failure without a call": (
        [told(result("x", "no such city", failed=True))],
        [told(f"[Error {GONE}\nno such city")],
    ),
    "a result without a call beside others": (
        [said("a"), told(result("x", "sun"), result("a", "1"))],
        [said("a"), told(result("a", "1"), f"[Result {GONE}\nsun")],
    ),
    "a result before its call": (
        [told(result("a", "1")), said("a")],
        [told(f"[Result {GONE}\n1"), said("a"), told(aborted("a"))],
    ),
    "results in another order": (
        [said("a", "b"), told(result("b", "2"), "Go on", result("a", "1"))],
        [said("a", "b"), told(result("a", "1"), result("b", "2"), "Go on")],
    ),
    "other messages in between": (
        [said("a"), SYSTEM, told("Wait"), said(Text("Yes?")), told(result("a", "1"))],
        [said("a"), told(result("a", "1")), SYSTEM, told("Wait"), said(Text("Yes?"))],
    ),
    "results in several messages": (
        [said("a", "b"), told(result("a", "1")), told(result("b", "2"), "Go on")],
        [said("a", "b"), told(result("a", "1"), result("b", "2")), told("Go on")],
    ),
    "two results for one call": (
        [said("a"), told(result("a", "1")), told(result("a", "again"))],
        [said("a"), told(result("a", "1"))],
    ),
    "an id that comes in every turn": (
        [said("a"), told(result("a", "1")), said("a"), told(result("a", "2")), said("a")],
        [
            *(said("a"), told(result("a", "1"))),
            *(said("a_2"), told(result("a_2", "2"))),
            *(said("a_3"), told(aborted("a_3"))),
        ],
    ),
    "an id that comes twice in one turn": (
        [said("a", "a"), told(result("a", "1"), result("a", "2"))],
        [said("a", "a_2"), told(result("a", "1"), result("a_2", "2"))],
    ),
    "an id of which the first call was aborted": (
        [said("a"), told("Stop"), said("a"), told(result("a", "2"))],
        [said("a"), told(aborted("a"), "Stop"), said("a_2"), told(result("a_2", "2"))],
    ),
    "an id that looks like another with a number": (
        [said("a", "a_2"), said("a"), told(result("a_2", "2"), result("a", "3"))],
        [
            *(said("a", "a_2"), told(aborted("a"), result("a_2", "2"))),
            *(said("a_3"), told(result("a_3", "3"))),
        ],
    ),
}


def test_what_is_in_order_stays_as_it_is() -> None:
    for name, messages in IN_ORDER.items():
        with about(name):
            assert pair_calls(messages) == messages


def test_what_is_not_in_order_is_mended() -> None:
    for name, (messages, expected) in MENDED.items():
        with about(name):
            before = deepcopy(messages)
            assert pair_calls(messages) == expected
            assert messages == before
            assert pair_calls(expected) == expected


def test_lonely_results_are_kept_for_an_upstream_that_may_know_their_calls() -> None:
    messages = [told(result("x", "sun"), "Thanks"), said("a")]
    assert pair_calls(messages, keep_lonely_results=True) == [*messages, told(aborted("a"))]


def test_the_name_of_a_user_stays() -> None:
    named = Message("user", [Text("Stop")], extras={"chat": {"name": "Ann"}})
    assert pair_calls([said("a"), named])[1].extras == named.extras


# --- any history --------------------------------------------------------------------------------

IDS = st.sampled_from(["a", "b", "c", "a_2"])
RESULTS = st.builds(result, IDS, st.sampled_from(["sun", "snow", "rain"]))
DRAWN = st.lists(
    st.lists(IDS, max_size=3).map(lambda ids: said(Text("Hm."), *ids))
    | st.lists(RESULTS | st.just("Go on"), max_size=3).map(lambda parts: told(*parts))
    | st.just(SYSTEM),
    max_size=8,
)
WHOLE = [
    *(told("Hi"), said("a", "b"), told(result("a", "sun"), result("b", "snow", PICTURE), "Go on")),
    *(SYSTEM, said("c"), told(result("c", "rain")), said(Text("Done"))),
]


def calls_of(message: Message) -> list[str]:
    return [part.id for part in message.parts if isinstance(part, ToolCall)]


def results_of(message: Message) -> list[str]:
    return [part.call_id for part in message.parts if isinstance(part, ToolResult)]


@given(MESSAGES)
def test_any_history_in_order_stays_as_it_is(messages: list[Message]) -> None:
    assert pair_calls(messages) == messages


@given(DRAWN)
def test_any_history_is_in_order_afterwards(messages: list[Message]) -> None:
    paired = pair_calls(messages)
    for message, following in pairwise([told(), *paired, told()]):
        assert results_of(following) == calls_of(message)
    ids = [id for message in paired for id in calls_of(message)]
    assert len(ids) == len(set(ids))
    assert pair_calls(paired) == paired


@given(st.permutations(WHOLE))
def test_nothing_is_lost_in_any_order(messages: list[Message]) -> None:
    paired = str(pair_calls(messages))
    for word in ("sun", "snow", "rain", PNG_BASE64, "Hi", "Go on", "Be quick.", "Done"):
        assert paired.count(word) == 1


@given(DRAWN, st.data())
def test_what_follows_changes_only_calls_without_a_result(
    messages: list[Message], data: st.DataObject
) -> None:
    until = data.draw(st.integers(0, len(messages)))
    shorter, longer = pair_calls(messages[:until]), pair_calls(messages)
    settled = next((at for at, one in enumerate(shorter) if ABORTED in str(one)), len(shorter))
    assert longer[:settled] == shorter[:settled]
