"""A summary in place of a history: the request for it, its way through the client and back."""

from copy import deepcopy

import pytest

from gateway_core.compaction import (
    SummaryToItem,
    as_summary_request,
    asks_for_compaction,
    read_summary,
    summary_item,
    trigger,
)
from gateway_core.content import (
    Foreign,
    HostedCall,
    Message,
    Reasoning,
    Seal,
    Text,
    ToolCall,
)
from gateway_core.errors import InvalidRequest, UpstreamFailed, UpstreamProtocol
from gateway_core.events import (
    Begin,
    Close,
    Delta,
    End,
    Event,
    Fail,
    Notice,
    NoticeSeen,
    Open,
    Tick,
    Usage,
    UsageSeen,
    Whole,
)
from gateway_core.grammar import check_stream
from gateway_core.request import (
    FunctionTool,
    OutputSpec,
    ReasoningSpec,
    Request,
    Sampling,
    ToolChoice,
)
from gateway_core.seals import pack
from support.about import each

HISTORY = [Message("user", [Text("Fix it")]), Message("assistant", [Text("I fixed it.")])]


@pytest.fixture
def request_to_compact() -> Request:
    return Request(
        "m",
        [*HISTORY, trigger()],
        instructions=[Text("Be brief.")],
        tools=[FunctionTool("Bash", None, {"type": "object"})],
        tool_choice=ToolChoice("required"),
        output=OutputSpec("json"),
        sampling=Sampling(max_output_tokens=10, stop=["\n"]),
        reasoning=ReasoningSpec(effort="low"),
    )


def compacted(*events: Event) -> list[Event]:
    """What becomes of a stream, the same in one batch and event by event."""
    check_stream(events)
    found = SummaryToItem().feed(events)
    one_by_one = SummaryToItem()
    assert [piece for event in events for piece in one_by_one.feed([event])] == found
    check_stream(found)
    return found


def said(index: int, part: Text | Reasoning, *pieces: str) -> list[Event]:
    return [Open(index, part), *(Delta(index, piece) for piece in pieces), Close(index)]


def summary_in(events: list[Event]) -> str | None:
    """What a model will be told of the item in a stream that has nothing else in it."""
    whole, end = events
    assert isinstance(whole, Whole)
    assert isinstance(whole.part, Foreign)
    assert isinstance(end, End)
    assert (whole.part.namespace, whole.part.kind) == ("responses", "compaction")
    return read_summary(whole.part.data["encrypted_content"])


def test_a_trigger_at_the_end_asks_for_compaction(request_to_compact: Request) -> None:
    assert asks_for_compaction(request_to_compact)


@each(
    "messages",
    [
        [],
        HISTORY,
        [trigger(), *HISTORY],
        [Message("user", [])],
        [Message("user", [Foreign("chat", "compaction_trigger", {})])],
    ],
)
def test_nothing_else_asks_for_compaction(messages: list[Message]) -> None:
    assert not asks_for_compaction(Request("m", messages))


def test_the_model_is_asked_for_a_summary_of_the_same_history(
    request_to_compact: Request,
) -> None:
    *history, instruction = as_summary_request(request_to_compact).messages
    assert history == HISTORY
    assert instruction.role == "user"
    (part,) = instruction.parts
    assert isinstance(part, Text)
    assert "summary" in part.text


def test_the_summary_is_a_text_and_no_tool_may_be_called(request_to_compact: Request) -> None:
    asked = as_summary_request(request_to_compact)
    assert (asked.tools, asked.tool_choice) == ([], ToolChoice())
    assert (asked.output, asked.sampling) == (OutputSpec(), Sampling())


def test_instructions_and_effort_stay(request_to_compact: Request) -> None:
    asked = as_summary_request(request_to_compact)
    assert asked.instructions == [Text("Be brief.")]
    assert asked.reasoning.effort == "low"


def test_what_stands_beside_the_trigger_stays() -> None:
    request = Request("m", [Message("user", [Text("and now"), *trigger().parts])])
    assert as_summary_request(request).messages[0] == Message("user", [Text("and now")])


def test_the_given_request_is_left_alone(request_to_compact: Request) -> None:
    before = deepcopy(request_to_compact)
    as_summary_request(request_to_compact)
    assert request_to_compact == before


def test_a_summary_is_read_back_from_its_item() -> None:
    item = summary_item("We fixed “it”.\n")
    assert item["type"] == "compaction"
    text = read_summary(item["encrypted_content"])
    assert text is not None
    assert text.endswith("We fixed “it”.\n")


def test_the_same_summary_makes_the_same_item() -> None:
    assert summary_item("x") == summary_item("x")


@pytest.mark.parametrize("opaque", ["", "gAAAAAB", pack(Seal("codex", "blob"))])
def test_items_of_others_are_not_ours_to_read(opaque: str) -> None:
    assert read_summary(opaque) is None


def test_a_damaged_item_is_refused() -> None:
    opaque = summary_item("We fixed it.")["encrypted_content"]
    with pytest.raises(ValueError, match="damaged"):
        read_summary(opaque[:-5])


def test_the_text_of_an_answer_becomes_one_item() -> None:
    events = compacted(*said(0, Text(""), "We ", "fixed it."), End("stop", "stop", Usage(9)))
    assert (summary_in(events) or "").endswith("\n\nWe fixed it.")
    assert events[-1] == End("stop", "stop", Usage(9))


def test_several_texts_become_one_summary() -> None:
    events = compacted(*said(0, Text(""), "One."), *said(1, Text(""), "Two."), End("stop"))
    assert (summary_in(events) or "").endswith("\n\nOne.\n\nTwo.")


def test_thoughts_and_calls_are_no_part_of_the_summary() -> None:
    events = compacted(
        *said(0, Reasoning(""), "Hm."),
        Whole(1, HostedCall("ws_1", "web_search", "{}")),
        *said(2, Text(""), "We fixed it."),
        Open(3, ToolCall("call_1", "Bash", "")),
        Delta(3, "{}"),
        Close(3),
        End("tool_use"),
    )
    assert (summary_in(events) or "").endswith("\n\nWe fixed it.")
    assert events[-1] == End("stop")


def test_signs_of_life_notices_and_usage_pass() -> None:
    passing: list[Event] = [
        Begin("1", "m"),
        Tick(),
        NoticeSeen(Notice("code", "words")),
        UsageSeen(Usage(1)),
    ]
    events = compacted(*passing, *said(0, Text(""), "We fixed it."), End("stop"))
    assert events[:4] == passing


def test_a_cut_summary_is_better_than_none() -> None:
    events = compacted(*said(0, Text(""), "We fixed"), End("length"))
    assert (summary_in(events) or "").endswith("We fixed")


@pytest.mark.parametrize("answer", [[], said(0, Text(""), " \n"), said(0, Reasoning(""), "Hm.")])
def test_an_answer_without_a_summary_fails(answer: list[Event]) -> None:
    (fail,) = compacted(*answer, End("stop"))
    assert isinstance(fail, Fail)
    assert isinstance(fail.error, UpstreamProtocol)


@pytest.mark.parametrize(
    "answer",
    [
        [*said(0, Text("", refusal=True), "I cannot."), End("stop")],
        [*said(0, Text(""), "I cannot."), End("refusal")],
    ],
)
def test_a_refusal_is_no_summary(answer: list[Event]) -> None:
    (fail,) = compacted(*answer)
    assert fail == Fail(InvalidRequest("the model declined to summarise: I cannot."))


def test_a_failure_stays_one() -> None:
    fail = Fail(UpstreamFailed("gone"))
    assert compacted(Open(0, Text("")), Delta(0, "We"), fail) == [fail]
