"""A request with its sealed reasoning taken out."""

from copy import deepcopy

from gateway_core.content import Message, Reasoning, Seal, Text, ToolCall, ToolResult
from gateway_core.request import Request
from gateway_core.seals import without_seals

SEAL = Seal("vendor", "opaque")


def asked(*messages: Message) -> Request:
    return Request("m", [*messages])


def test_thoughts_in_clear_stay_without_their_seal() -> None:
    request = asked(Message("assistant", [Reasoning("I see.", SEAL), Text("Hi")]))
    expected = [Message("assistant", [Reasoning("I see."), Text("Hi")])]
    assert without_seals(request).messages == expected


def test_thoughts_that_nobody_can_read_vanish() -> None:
    request = asked(Message("assistant", [Reasoning("", SEAL, redacted=True), Text("Hi")]))
    assert without_seals(request).messages == [Message("assistant", [Text("Hi")])]


def test_a_message_of_nothing_but_sealed_thoughts_vanishes() -> None:
    question = Message("user", [Text("Why?")])
    request = asked(question, Message("assistant", [Reasoning("", SEAL)]))
    assert without_seals(request).messages == [question]


def test_a_call_stays_without_its_seal() -> None:
    result = Message("user", [ToolResult("call_1", [Text("done")])])
    request = asked(Message("assistant", [ToolCall("call_1", "Bash", "{}", seal=SEAL)]), result)
    call = Message("assistant", [ToolCall("call_1", "Bash", "{}")])
    assert without_seals(request).messages == [call, result]


def test_a_request_without_seals_is_given_back_itself() -> None:
    request = asked(Message("assistant", [Reasoning("I see."), Text("Hi")]))
    assert without_seals(request) is request


def test_the_given_request_is_left_alone() -> None:
    request = asked(
        Message("assistant", [Reasoning("", SEAL), ToolCall("call_1", "Bash", "{}", seal=SEAL)])
    )
    before = deepcopy(request)
    without_seals(request)
    assert request == before
