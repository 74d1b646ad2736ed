"""Area T: what honest plugins may do, and when the kit has nothing to say. The faults that it must
see are in `support.mutants.translation`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import pytest

from gateway_core import (
    Capabilities,
    Event,
    JsonObject,
    LoginRequired,
    ProviderInfo,
    Request,
    Route,
    ToolCall,
    UpstreamCall,
    hookimpl,
)
from gateway_core.content import Part
from gateway_core.events import Open
from gateway_core.json import dumps, loads_object
from gateway_demo.plugin import DemoProvider, DemoSettings
from support.about import each
from support.kit import judged
from support.mutants.base import demo_subject
from support.mutants.changes import (
    ChangedEvents,
    asked_with,
    changed_parts,
    sending,
    sending_body,
)
from support.mutants.keyed import KeyedDemo, keyed_subject
from support.mutants.translation import MUTANTS, address

CASES = [f"T{number:02}" for number in range(1, 13)]


def declaring(
    capabilities: Capabilities | None = None,
    hosts: tuple[str, ...] = (),
    base: type[DemoProvider] = DemoProvider,
) -> type[DemoProvider]:
    """The provider with other facts about it."""

    class Declaring(base):  # type: ignore[misc, valid-type]
        @hookimpl
        def gateway_provider(self) -> ProviderInfo:
            info: ProviderInfo = super().gateway_provider()
            return replace(info, hosts=hosts, capabilities=capabilities or info.capabilities)

    return Declaring


def alias(name: str) -> str:
    return f"t_{hashlib.sha256(name.encode()).hexdigest()[:20]}"


class Aliasing(DemoProvider):
    """Gives tools and calls names of its own on the wire, and takes them back."""

    @hookimpl
    def gateway_translate(
        self, request: Request, route: Route, settings: DemoSettings
    ) -> UpstreamCall:
        call = super().gateway_translate(request, route, settings)
        body = loads_object(call.body)
        parts = [part for message in body["messages"] for part in message["parts"]]
        named = [
            item for item in (*body["tools"], *parts) if "name" in item and "media" not in item
        ]
        call.state = {alias(item["name"]): item["name"] for item in named}
        for item in named:
            item["name"] = alias(item["name"])
        for part in parts:
            for key in ("call", "result"):
                if key in part:
                    part[key] = alias(part[key])
        call.body = dumps(body)
        return call

    @hookimpl
    def gateway_decoder(self, call: UpstreamCall) -> ChangedEvents:  # type: ignore[override]
        def restore(events: list[Event]) -> Sequence[Event]:
            for event in events:
                if isinstance(event, Open) and isinstance(event.part, ToolCall):
                    event.part.name = call.state.get(event.part.name, event.part.name)
            return events

        return ChangedEvents(restore)


@pytest.mark.parametrize("case", ["T01", "T05", "T06", "T08", "T09", "T10"])
def test_tools_and_calls_may_have_other_names_on_the_wire(case: str) -> None:
    assert judged(case, demo_subject(Aliasing)).outcome == "passed"


def as_lines(call: UpstreamCall, request: Request) -> None:
    """A body that is no JSON document: one line for each turn."""
    body = loads_object(call.body)
    lines = [dumps([body["instructions"], body["tools"]]), *map(dumps, body["messages"])]
    call.body = b"\n".join(lines)


@pytest.mark.parametrize("case", ["T01", "T02", "T04", "T05", "T07", "T12"])
def test_a_body_need_not_be_json(case: str) -> None:
    assert judged(case, demo_subject(sending(as_lines))).outcome == "passed"


@pytest.mark.parametrize("case", ["T03", "T06"])
def test_the_turns_of_an_unknown_body_are_asked_of_the_author(case: str) -> None:
    subject = demo_subject(sending(as_lines))
    result = judged(case, subject)
    assert result.outcome == "skipped"
    assert "override `conversation`" in result.detail
    subject.conversation = lambda call: call.body.split(b"\n")[1:]
    assert judged(case, subject).outcome == "passed"


def newest_turn_apart(body: JsonObject) -> None:
    """The newest message stands before the others, under a name of its own."""
    messages = body.pop("messages")
    body["current"] = messages[-1:]
    body["past"] = messages[:-1]


def test_the_author_says_where_the_newest_turn_is() -> None:
    subject = demo_subject(sending_body(newest_turn_apart))
    assert [judged(case, subject).outcome for case in ("T03", "T06")] == ["skipped"] * 2
    subject.conversation = lambda call: [
        *loads_object(call.body)["past"],
        *loads_object(call.body)["current"],
    ]
    assert [judged(case, subject).outcome for case in ("T02", "T03", "T06")] == ["passed"] * 3


def test_narrow_capabilities_are_no_fault() -> None:
    narrow = Capabilities(
        input=frozenset({"text"}), media_urls=False, tools=False, efforts=(), sampling=frozenset()
    )
    plugin = declaring(narrow)
    outcomes = {case: judged(case, demo_subject(plugin)).outcome for case in CASES}
    # Without tools there is no call to pair and no tool to name.
    assert {case for case, outcome in outcomes.items() if outcome == "skipped"} == {
        "T08",
        "T09",
        "T10",
    }
    assert "failed" not in outcomes.values()


@each(
    "url, hosts, outcome",
    [
        ("http://127.0.0.1:8080/v1", (), "passed"),
        ("http://[::1]:8080/v1", (), "passed"),
        ("ws://localhost/v1", (), "passed"),
        ("https://api.mine.example/v1", ("api.mine.example",), "passed"),
        ("https://eu.api.mine.example/v1", ("*.mine.example",), "passed"),
        ("https://api.eu-1.mine.example/v1", ("api.*.mine.example",), "passed"),
        ("https://eu.api.mine.example/v1", ("mine.example",), "failed"),
        ("https://mine.example.evil.example/", ("mine.example", "*.mine.example"), "failed"),
        ("wss://api.mine.example/v1", ("api.mine.example",), "passed"),
        ("ws://api.mine.example/v1", ("api.mine.example",), "failed"),
        ("demo:", (), "passed"),
        ("", (), "failed"),
    ],
)
def test_where_calls_may_go(url: str, hosts: tuple[str, ...], outcome: str) -> None:
    plugin = declaring(hosts=hosts, base=sending(address(url)))
    assert judged("T11", demo_subject(plugin)).outcome == outcome


@each("case", CASES)
def test_nothing_is_judged_without_the_login_that_a_plugin_needs(case: str) -> None:
    subject = keyed_subject(KeyedDemo)
    subject.credential = None
    result = judged(case, subject)
    assert (result.outcome, "fixture `credential`" in result.detail) == ("skipped", True)


def needs_a_region(request: Request) -> Request:
    raise LoginRequired("no region: run `gateway login demo`")


def test_a_credential_that_lacks_what_the_plugin_reads_is_the_authors_business() -> None:
    result = judged("T01", demo_subject(asked_with(needs_a_region)))
    assert result.outcome == "skipped"
    assert "no region" in result.detail


def test_each_conversation_at_fault_is_named() -> None:
    (mutant,) = (mutant for mutant in MUTANTS if mutant.fault == "drops tool results")
    detail = judged("T02", demo_subject(mutant.plugin)).detail
    assert "calls-parallel-with-results: the body lacks messages[2].content[0]" in detail
    assert "calls-one-after-another: the body lacks messages[2].content[0]" in detail
    assert " more" in detail


def only_tools_that_may_be_called(request: Request) -> Request:
    choice = request.tool_choice
    if choice.mode == "none":
        return replace(request, tools=[])
    return replace(
        request, tools=[t for t in request.tools if not choice.names or t.name in choice.names]
    )


def test_tools_that_may_not_be_called_may_stay_here() -> None:
    subject = demo_subject(asked_with(only_tools_that_may_be_called))
    assert judged("T02", subject).outcome == "passed"


def untouched(part: Part) -> Part:
    return part


def test_building_the_request_anew_is_no_fault() -> None:
    plugin = asked_with(changed_parts(untouched))
    assert [judged(case, demo_subject(plugin)).outcome for case in CASES] == ["passed"] * 12
