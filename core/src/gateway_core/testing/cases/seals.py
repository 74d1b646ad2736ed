"""Area B: sealed thoughts, which must come back to their issuer and to nobody else."""

from collections.abc import Iterator
from copy import deepcopy
from functools import partial
from typing import Final

from gateway_core.content import Message, Part, Reasoning, Seal, Text, ToolCall, ToolResult
from gateway_core.credentials.store import Credential
from gateway_core.errors import GatewayError
from gateway_core.events import Fail
from gateway_core.json import JsonObject
from gateway_core.parts import collect
from gateway_core.provider import UpstreamCall
from gateway_core.request import FunctionTool, Request
from gateway_core.seals import pack, unpack
from gateway_core.testing.asking import REFUSALS, as_handed_on, ask, asked
from gateway_core.testing.bodies import holds_data
from gateway_core.testing.case import Area, Findings, NotApplicable, Violation
from gateway_core.testing.subject import Subject
from gateway_core.testing.transcripts import Transcript

__all__ = ["AREA"]

AREA: Final = Area("B", "seals")

_CANARY: Final = "Y2FuYXJ5LXNlYWwtb2Ytc29tZWJvZHktZWxzZQ=="
_STRANGERS: Final = ("someone-else", "anthropic", "chat", "responses")
"""Issuers that are no provider here: the last three stand for seals in a client's own format."""

_ANYTHING: Final[JsonObject] = {"type": "object", "properties": {"path": {"type": "string"}}}


@AREA.case(
    1,
    rule="A seal says who issued it, holds something, and survives its journey through a client.",
    why="A seal without its issuer cannot be kept from others, and one that a client cannot carry "
    "is lost, and with it the model's train of thought.",
    cure="Make seals with your provider's id as issuer (`Seal(issuer=..., data=...)`); data is "
    "text: base64 where the upstream gives bytes.",
)
def seals_say_who_issued_them(subject: Subject) -> None:
    findings = Findings()
    for transcript, seal in _seals(subject):
        with findings.about(str(transcript)):
            if not seal.issuer:
                raise Violation("a seal has no issuer")
            if seal.issuer in _STRANGERS:
                raise Violation(f"a seal says that it was issued by {seal.issuer!r}")
            if not isinstance(seal.data, str) or not seal.data:
                raise Violation("a seal has no text in it")
            if unpack(pack(seal)) != seal:
                raise Violation(f"a seal of {seal.issuer!r} does not survive packing")
    findings.settle()


@AREA.case(
    2,
    rule="A seal goes back to the upstream in the next turn.",
    why="Without its sealed thoughts a model starts to think anew in each step of a task; some "
    "upstreams refuse tool results without them.",
    cure="Where `gateway_core.seals.replayable(seal, issuer, scope)`, write `seal.data` where the "
    "upstream expects it.",
)
def seals_are_replayed(subject: Subject) -> None:
    findings = Findings()
    for transcript, parts in _sealed_answers(subject):
        with findings.about(str(transcript)):
            call = _next_turn(subject, parts)
            for seal in _seals_of(_up_to_the_last_word(parts)):
                # Thoughts that led to nothing are refused by some upstreams.
                led_on = not isinstance(parts[-1], Reasoning) or seal != parts[-1].seal
                if led_on and not _holds(subject, call, seal):
                    raise Violation("the next turn does not bring back its seal")
    findings.settle()


@AREA.case(
    3,
    rule="A seal that is bound to an account is not shown to the upstream for another account.",
    why="The upstream cannot open it and refuses the whole turn; and one account's thoughts are no "
    "other's business.",
    cure="Compare the scope: `gateway_core.seals.replayable(seal, issuer, scope)` with the scope "
    "of the credential that the turn is asked with.",
)
def seals_stay_with_their_account(subject: Subject) -> None:
    if subject.credential is None:
        raise NotApplicable("there is no login, so no account")
    stranger = subject.credential.model_copy(update={"account": "another-account"})
    findings = Findings()
    bound = False
    for transcript, parts in _sealed_answers(subject):
        theirs = _seals_of(_parts(subject, transcript, stranger))
        for own, other in zip(_seals_of(parts), theirs, strict=False):
            if own.scope is None or own.scope == other.scope:
                continue
            bound = True
            with findings.about(str(transcript)):
                if _holds(subject, _next_turn(subject, parts, stranger), own):
                    raise Violation("a seal of one account is sent for another")
    findings.settle()
    if not bound:
        raise NotApplicable("its seals are not bound to an account")


@AREA.case(
    4,
    rule="Seals of other issuers never reach the upstream.",
    why="Clients switch models in the middle of a conversation. An upstream refuses what it did "
    "not seal, and the turn fails for ever, because the history stays.",
    cure="Drop what is not `gateway_core.seals.replayable(seal, issuer, scope)`, on thoughts and "
    "on tool calls, and the thought with it where the upstream has no place for it.",
    static=True,
)
def foreign_seals_stay_here(subject: Subject) -> None:
    findings = Findings()
    for issuer in _STRANGERS:
        with findings.about(f"a seal of {issuer!r}"):
            route = subject.route()
            try:
                asked_for = _with_seals_of(issuer, subject)
                call = ask(subject, as_handed_on(subject, asked_for, route), route)
            except GatewayError as error:
                raise Violation(f"it makes the turn fail: {error.message}") from error
            if holds_data(call, subject.readable(call), _CANARY):
                raise Violation("it is sent to the upstream")
    findings.settle()


@AREA.case(
    5,
    rule="Dropping the seal of another issuer drops nothing that was said.",
    why="After a switch of models the new one would not see what the old one answered or called.",
    cure="Leave out the seal and, where there is no place for it, the thought; never its "
    "neighbours.",
    static=True,
)
def foreign_seals_take_nothing_along(subject: Subject) -> None:
    findings = Findings()
    for issuer in _STRANGERS:
        with findings.about(f"a seal of {issuer!r}"):
            translated = asked(subject, issuer, partial(_with_seals_of, issuer, subject))
            if translated is None:
                continue
            readable = subject.readable(translated.call)
            for mark in translated.marks:
                if mark.word not in readable:
                    raise Violation(f"the body lacks {mark.path} ({mark.sort})")
    findings.settle()


def _with_seals_of(issuer: str, subject: Subject) -> Request:
    """A conversation with sealed thoughts of this issuer in every place that has them: on calls
    too, where the provider takes tools.
    """
    seal = Seal(issuer, _CANARY, id="rs_canary")
    tools = subject.capabilities(subject.route()).tools
    call = ToolCall("call_1", "look", '{"path":"here"}', seal=seal)
    result = ToolResult("call_1", [Text("nothing")])
    said: list[Part] = [Reasoning("Where?", seal), Text("I look.")]
    return Request(
        "",
        [
            Message("user", [Text("Look around.")]),
            Message("assistant", [*said, call] if tools else said),
            Message("user", [result if tools else Text("nothing")]),
            Message("assistant", [Reasoning("", seal, redacted=True), Text("There is nothing.")]),
            Message("user", [Text("Look again.")]),
        ],
        tools=[FunctionTool("look", "Looks", _ANYTHING)] if tools else [],
    )


def _parts(subject: Subject, transcript: Transcript, credential: Credential | None) -> list[Part]:
    """What a transcript answers to a caller with this credential, as far as it is complete."""
    request = as_handed_on(
        subject, Request("", [Message("user", [Text("Hello")])]), subject.route()
    )
    call = ask(subject, request, credential=credential)
    decoder = subject.relay.decoder(call, subject.route(transcript.model), transcript.headers)
    events = [*decoder.feed(transcript.data), *decoder.end()]
    if any(isinstance(event, Fail) for event in events):
        return []
    return collect(events).parts


def _seals_of(parts: list[Part]) -> list[Seal]:
    return [
        part.seal
        for part in parts
        if isinstance(part, Reasoning | ToolCall) and part.seal is not None
    ]


def _up_to_the_last_word(parts: list[Part]) -> list[Part]:
    """Without thoughts that nothing follows: some upstreams refuse to be shown those."""
    said = [index for index, part in enumerate(parts) if isinstance(part, Text | ToolCall)]
    return parts[: said[-1] + 1] if said else []


def _sealed_answers(subject: Subject) -> list[tuple[Transcript, list[Part]]]:
    """Transcripts with seals in them. Raises `NotApplicable` when there are none."""
    found = [
        (transcript, parts)
        for transcript in subject.transcripts
        if transcript.status == 200
        and _seals_of(parts := _parts(subject, transcript, subject.credential))
    ]
    if not found:
        raise NotApplicable("no transcript has sealed thoughts: add one if the upstream seals them")
    return found


def _seals(subject: Subject) -> Iterator[tuple[Transcript, Seal]]:
    for transcript, parts in _sealed_answers(subject):
        for seal in _seals_of(parts):
            yield transcript, seal


def _next_turn(
    subject: Subject, parts: list[Part], credential: Credential | None = None
) -> UpstreamCall:
    """The call of the turn that follows an answer, as the core would make it."""
    calls = [part for part in parts if isinstance(part, ToolCall)]
    results: list[Part] = [ToolResult(call.id, [Text("ok")], custom=call.custom) for call in calls]
    request = Request(
        "",
        [
            Message("user", [Text("Hello")]),
            Message("assistant", deepcopy(parts)),
            Message("user", results or [Text("And now?")]),
        ],
    )
    route = subject.route()
    try:
        handed_on = as_handed_on(subject, request, route)
        return ask(subject, handed_on, route, credential=credential)
    except GatewayError as error:
        if error.kind not in REFUSALS:
            raise
        raise Violation(f"the turn after it is refused: {error.message}") from error


def _holds(subject: Subject, call: UpstreamCall, seal: Seal) -> bool:
    return holds_data(call, subject.readable(call), seal.data)
