"""Faults in what is done with sealed thoughts: area B."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from gateway_core import Event, JsonObject, Reasoning, Request, Seal, ToolCall, Unsupported
from gateway_core.content import Part
from gateway_core.events import Close, Whole
from gateway_core.json import dumps, loads_object
from gateway_core.provider import UpstreamCall
from support.mutants.base import Mutant
from support.mutants.changes import (
    ChangedEvents,
    asked_with,
    changed_parts,
    decoding,
    sending,
    sending_body,
)
from support.mutants.keyed import KeyedDemo, keyed_subject

__all__ = ["MUTANTS"]


def _seals(change: Callable[[Seal], Seal | None]) -> Callable[[], ChangedEvents]:
    """A decoder with something done to its seals."""

    def change_events(events: list[Event]) -> Sequence[Event]:
        for event in events:
            if isinstance(event, Close) and event.seal:
                event.seal = change(event.seal)
            elif isinstance(event, Whole) and isinstance(event.part, Reasoning) and event.part.seal:
                event.part.seal = change(event.part.seal)
        return events

    return lambda: ChangedEvents(change_events)


def take_any_seal_for_its_own(part: Part) -> Part:
    if isinstance(part, Reasoning) and part.seal:
        return replace(part, seal=Seal("demo", part.seal.data))
    return part


def send_seals_of_calls(call: UpstreamCall, request: Request) -> None:
    body = loads_object(call.body)
    body["signatures"] = [
        part.seal.data
        for message in request.messages
        for part in message.parts
        if isinstance(part, ToolCall) and part.seal
    ]
    call.body = dumps(body)


def forget_signatures(body: JsonObject) -> None:
    for message in body["messages"]:
        for part in message["parts"]:
            part.pop("seal", None)


def drop_sealed_turns(request: Request) -> Request:
    def foreign(part: Part) -> bool:
        return isinstance(part, Reasoning) and part.seal is not None and part.seal.issuer != "demo"

    return replace(
        request, messages=[m for m in request.messages if not any(map(foreign, m.parts))]
    )


def refuse_strange_seals(part: Part) -> Part:
    if isinstance(part, Reasoning) and part.seal and part.seal.issuer != "demo":
        raise Unsupported(f"a thought of {part.seal.issuer}")
    return part


class Careless(KeyedDemo):
    """Does not look whose seal it is."""

    compares = False


MUTANTS = [
    Mutant(
        "names no issuer", "B01", decoding(_seals(lambda s: replace(s, issuer=""))), "no issuer"
    ),
    Mutant(
        "seals nothing", "B01", decoding(_seals(lambda s: replace(s, data=""))), "no text in it"
    ),
    Mutant(
        "has an issuer that clients cannot carry",
        "B01",
        decoding(_seals(lambda s: replace(s, issuer="de.mo"))),
        "does not survive",
    ),
    Mutant("loses the signature", "B02", sending_body(forget_signatures), "does not bring back"),
    Mutant(
        "replays for another account",
        "B03",
        Careless,
        "sent for another",
        honest=KeyedDemo,
        subject=keyed_subject,
    ),
    Mutant(
        "sends seals of others",
        "B04",
        asked_with(changed_parts(take_any_seal_for_its_own)),
        "a seal of 'someone-else': it is sent",
    ),
    Mutant("sends signatures of calls", "B04", sending(send_seals_of_calls), "it is sent"),
    Mutant(
        "refuses seals of others",
        "B04",
        asked_with(changed_parts(refuse_strange_seals)),
        "makes the turn fail",
    ),
    Mutant("drops turns with strange seals", "B05", asked_with(drop_sealed_turns), "lacks"),
]
