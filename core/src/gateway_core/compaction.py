"""Compaction for providers that have none of their own: the model is asked for a hand-over summary.

A client asks for compaction with a `compaction_trigger` at the end of its input, and later sends
the `compaction` item of the answer in place of the history. Here the trigger becomes an instruction
to summarise, the summary becomes that item, and the item, when it comes back, becomes a text that
any provider takes. The summary travels in the same envelope as seals (`gateway_core.seals`): nobody
has to keep it. Shapes: the official SDK's `ResponseCompactionItem`, and what Codex CLI was seen to
send. Everything is pure; the exchange decides when to use it.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from gateway_core import seals
from gateway_core.content import Foreign, Message, Seal, Text
from gateway_core.errors import InvalidRequest, UpstreamProtocol
from gateway_core.events import Close, Delta, End, Event, Fail, Open, Whole
from gateway_core.json import JsonObject
from gateway_core.request import OutputSpec, Request, Sampling, ToolChoice

__all__ = [
    "SummaryToItem",
    "as_summary_request",
    "asks_for_compaction",
    "read_summary",
    "summary_item",
    "trigger",
]

_NAMESPACE: Final = "responses"
_TRIGGER: Final = "compaction_trigger"
_ISSUER: Final = "_summary"  # no provider can have this id
_INTRODUCTION: Final = (
    "The earlier part of this conversation was replaced by the following summary. Rely on it and "
    "go on from there.\n\n"
)
_INSTRUCTION: Final = """\
The context window is nearly full, so this conversation will be replaced by a summary. Write that \
summary now, as a hand-over to whoever continues: you are the only one who still sees the history.

Cover, as far as the conversation has it:
- what the user asked for, with every constraint and preference they stated, in their own words \
where the wording matters;
- what was done and decided, and why; what was tried and did not work;
- the state now: files read or changed with their paths, commands and their outcomes, names, \
numbers, identifiers and errors that will be needed again, quoted exactly;
- what is left to do, the very next step first.

Answer with the summary alone. Call no tools, and do not continue the task itself."""


def trigger() -> Message:
    """The end of an input that asks for compaction."""
    return Message("user", [Foreign(_NAMESPACE, _TRIGGER, {"type": _TRIGGER})])


def asks_for_compaction(request: Request) -> bool:
    """Whether the last thing in the request is a compaction trigger."""
    if not request.messages or not request.messages[-1].parts:
        return False
    last = request.messages[-1].parts[-1]
    return type(last) is Foreign and (last.namespace, last.kind) == (_NAMESPACE, _TRIGGER)


def as_summary_request(request: Request) -> Request:
    """The same history with an instruction to summarise it in place of the trigger.

    Tools and the shape of the answer are left out: the answer is a text. The given request, which
    must ask for compaction, is not changed.
    """
    *history, last = request.messages
    if rest := last.parts[:-1]:
        history.append(replace(last, parts=rest))
    return replace(
        request,
        messages=[*history, Message("user", [Text(_INSTRUCTION)])],
        tools=[],
        tool_choice=ToolChoice(),
        output=OutputSpec(),
        sampling=Sampling(),
        session=replace(request.session, store=False),  # a summary is no answer to come back for
    )


def summary_item(summary: str) -> JsonObject:
    """The `compaction` item that carries a summary; without id."""
    return {"type": "compaction", "encrypted_content": seals.pack(Seal(_ISSUER, summary))}


def read_summary(encrypted_content: str) -> str | None:
    """The text that tells a model what one of our compaction items holds; None for another's.

    Raises `ValueError` when the item is ours but damaged.
    """
    if not encrypted_content.startswith(f"{seals.PREFIX}{_ISSUER}."):
        return None
    seal = seals.unpack(encrypted_content)
    if seal is None or not isinstance(seal.data, str):
        raise ValueError("the summary in it is damaged")
    return _INTRODUCTION + seal.data


class SummaryToItem:
    """Turns the stream of a summary into the stream of one compaction item.

    Text is collected, thoughts and anything else are left out, and the item comes with the end.
    Signs of life, notices and usage pass. An answer without a summary becomes a `Fail`.
    """

    __slots__ = ("_inside", "_pieces", "_refused")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._inside = False
        self._refused = False

    def feed(self, events: Sequence[Event]) -> list[Event]:
        """What is left of the events."""
        passed: list[Event] = []
        for event in events:
            kind = type(event)
            if kind is Delta:
                if self._inside:
                    self._pieces.append(event.text)  # type: ignore[union-attr]  # kind says so
            elif kind is Open:
                self._open(event)  # type: ignore[arg-type]  # kind says so
            elif kind is End:
                passed += self._end(event)  # type: ignore[arg-type]  # kind says so
            elif kind is not Close and kind is not Whole:
                passed.append(event)
        return passed

    def _open(self, event: Open) -> None:
        part = event.part
        self._inside = isinstance(part, Text)
        if isinstance(part, Text):
            self._refused |= part.refusal
            if self._pieces:
                self._pieces.append("\n\n")

    def _end(self, end: End) -> list[Event]:
        summary = "".join(self._pieces).strip()
        if self._refused or end.reason == "refusal":
            reason = summary or "without a reason"
            return [Fail(InvalidRequest(f"the model declined to summarise: {reason}"))]
        if not summary:
            return [Fail(UpstreamProtocol("the model was asked for a summary and wrote none"))]
        item = summary_item(summary)
        return [
            Whole(0, Foreign(_NAMESPACE, "compaction", item)),
            End("stop", end.raw_reason, end.usage),
        ]
