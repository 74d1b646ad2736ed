"""Area D: the events of each transcript, written in the three formats that clients speak."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Final, TypeAlias

from gateway_core.errors import GatewayError
from gateway_core.events import Event
from gateway_core.formats.base import ClientFormat
from gateway_core.json import JsonObject
from gateway_core.parts import collect
from gateway_core.request import Request
from gateway_core.testing.answers import Answer, answer_of
from gateway_core.testing.case import Area, Findings, Violation
from gateway_core.testing.decoding import Decoding, decodings, sampled
from gateway_core.testing.heard import HEARERS, Heard, said_by
from gateway_core.testing.subject import Subject

__all__ = ["AREA"]

AREA: Final = Area("D", "answers in the clients' dialects")

Judge: TypeAlias = Callable[[Heard, Answer, Heard | None], None]

_CUTS = 3
_MODEL = "test-model"
_BODIES: Final[dict[str, JsonObject]] = {
    "anthropic": {"max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]},
    "chat": {
        "messages": [{"role": "user", "content": "Hello"}],
        "stream_options": {"include_usage": True},
    },
    "responses": {"input": "Hello"},
}
_CURE = (
    "Look at the events: texts are str, calls have id, name and arguments as text, hosted calls "
    "the documented result."
)


@AREA.case(
    1,
    rule="Every transcript, whole or cut, becomes a well-formed stream in each dialect: framing, "
    "JSON, the order of events, numbers that count up.",
    why="Clients read strictly: one event out of order and the whole turn is lost.",
    cure=_CURE,
)
def streams_are_well_formed(subject: Subject) -> None:
    _for_each_stream(subject, lambda heard, answer, body: None)


@AREA.case(
    2,
    rule="A stream has its dialect's success marker if the events end in End, and its error if "
    "they end in Fail.",
    why="A success marker after half an answer is a lie that agents act upon.",
    cure="End in `End` or `Fail`, and never in End with nothing in the answer.",
)
def success_is_said_of_success_only(subject: Subject) -> None:
    def judge(heard: Heard, answer: Answer, body: Heard | None) -> None:
        if answer.end is None and not heard.failed:
            raise Violation(f"it says success after {answer.ending}")
        if answer.end is not None and heard.failed and _shows(answer):
            raise Violation(f"it says failure after {answer.ending}")

    _for_each_stream(subject, judge)


@AREA.case(
    3,
    rule="Stream and collected answer say the same text, tool calls and stop reason, and all of "
    "what the events say.",
    why="The same conversation goes on with either: a difference changes what the model sees next.",
    cure=_CURE,
)
def stream_and_body_say_the_same(subject: Subject) -> None:
    def judge(heard: Heard, answer: Answer, body: Heard | None) -> None:
        if heard.failed or body is None:
            return
        for name in ("text", "stop"):
            if getattr(heard, name) != getattr(body, name):
                raise Violation(
                    f"the {name} is {getattr(heard, name)!r} in the stream and "
                    f"{getattr(body, name)!r} in the body"
                )
        if [name for name, _ in heard.calls] != [name for name, _ in body.calls]:
            raise Violation("the calls of the stream are not those of the body")
        if heard.calls != body.calls:
            raise Violation("the arguments of a call differ between stream and body")
        if [name for name, _ in heard.calls] != [call.facts["name"] for call in answer.calls]:
            raise Violation(f"the events have {len(answer.calls)} calls and not these")
        for part in answer.parts:
            spoken = part.kind == "Text" and not part.facts.get("refusal")
            if spoken and part.text not in heard.text:
                raise Violation(f"the text {part.text[:60]!r} is lost")

    _for_each_stream(subject, judge)


def _for_each_stream(subject: Subject, judge: Judge) -> None:
    """Show each stream to `judge`, with the answer that it tells and the collected body (None when
    there is no whole answer).
    """
    findings = Findings()
    for decoding in decodings(subject):
        for example, data in _wholes_and_cuts(decoding):
            with findings.about(example):
                events = decoding.events(data)
                answer = answer_of(events, data)
                heard = []
                for format in _formats():
                    for how, batches in _batches(events).items():
                        with _naming(f"as {format.name}, {how}"):
                            stream = _written(format, batches)
                            heard.append((format.name, how, HEARERS[format.name](stream)))
                bodies = {format.name: _body(format, events) for format in _formats()}
                for name, how, told in heard:
                    with _naming(f"as {name}, {how}"):
                        judge(told, answer, bodies[name])
    findings.settle()


def _batches(events: Sequence[Event]) -> dict[str, list[list[Event]]]:
    return {"one by one": [[event] for event in events], "all at once": [list(events)]}


@contextmanager
def _naming(how: str) -> Iterator[None]:
    """Say in which dialect something was seen."""
    try:
        yield
    except Violation as violation:
        raise Violation(f"{how}, {violation}") from violation
    except Exception as error:
        raise Violation(f"{how}, it fails: {type(error).__name__}: {error}") from error


def _wholes_and_cuts(decoding: Decoding) -> Iterator[tuple[str, bytes]]:
    yield str(decoding), decoding.data
    for at in sampled(decoding.boundaries[:-1], _CUTS):
        yield f"{decoding} cut at byte {at}", decoding.data[:at]


def _formats() -> list[ClientFormat]:
    return [import_module(f"gateway_core.formats.{name}").FORMAT for name in _BODIES]


def _request(format: ClientFormat) -> Request:
    body: JsonObject = {"model": _MODEL, "stream": True, **_BODIES[format.name]}
    return format.read_request(body, {})


def _written(format: ClientFormat, batches: Sequence[Sequence[Event]]) -> bytes:
    """The stream. It must be written before the events are collected, which completes the parts."""
    writer = format.writer(_request(format), _MODEL)
    return b"".join([writer.feed(batch) for batch in batches])


def _body(format: ClientFormat, events: Sequence[Event]) -> Heard | None:
    try:
        body = format.writer(_request(format), _MODEL).body(collect(events))
    except GatewayError:
        return None
    return said_by(format.name, body)


def _shows(answer: Answer) -> bool:
    """Whether an answer has something that every dialect shows."""
    return bool(answer.calls or answer.texts("Text").strip())
