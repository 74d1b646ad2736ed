"""Faults that show with size alone: area G."""

import re
from collections.abc import Mapping

from gateway_core import Event, GatewayError, Request, UpstreamFailed, hookimpl
from gateway_core.content import ToolResult
from gateway_core.provider import UpstreamCall
from gateway_demo.plugin import DemoProvider
from gateway_demo.stream import DemoDecoder
from support.mutants.base import Mutant
from support.mutants.changes import decoding, sending

__all__ = ["MUTANTS"]

_TRAILING = re.compile(r"\s+$")


def look_for_every_result_from_the_start(call: UpstreamCall, request: Request) -> None:
    parts = [part for message in request.messages for part in message.parts]
    for result in (part for part in parts if isinstance(part, ToolResult)):
        for name in ("id", "call_id", "name", "custom"):
            [part for part in parts if getattr(part, name, None) == result.call_id]


def join_a_text_bit_by_bit(call: UpstreamCall, request: Request) -> None:
    text = b""
    for start in range(0, len(call.body), 10):
        text = b"%b%b" % (text, call.body[start : start + 10])


class KeepsEverything(DemoDecoder):
    """Looks through all that came before with each event."""

    def __init__(self) -> None:
        super().__init__()
        self._texts: list[str] = []
        self.size = 0

    def _read(self, data: bytes) -> None:
        super()._read(data)
        self._texts.append(data.decode("utf-8", "replace"))
        for what in (str.isspace, str.isascii, len, str.isascii):
            self.size = sum(map(what, self._texts))


class SearchesAgain(DemoDecoder):
    """Searches all that is unfinished with each read."""

    def feed(self, data: bytes) -> list[Event]:
        self._pending = [b"".join([*self._pending, data])]
        whole = self._pending[0]
        if re.search(rb"[\n]", whole) is None:
            return []
        self._pending = []
        return super().feed(whole)


class SwallowsTheRest(DemoDecoder):
    """Says nothing about a stream that stops in the middle of an event."""

    def end(self) -> list[Event]:
        return [] if self._pending and self._pending[0] else super().end()


class Backtracking(DemoProvider):
    """Reads errors with a pattern that starts anew at each blank."""

    @hookimpl
    def gateway_error(
        self, status: int, headers: Mapping[str, str], body: bytes
    ) -> GatewayError | None:
        if status >= 500:
            return None
        text = _TRAILING.sub("", body[:20_000].decode("utf-8", "replace") + "!")
        return UpstreamFailed(text[:80])


MUTANTS = [
    Mutant(
        "looks for calls from the start",
        "G01",
        sending(look_for_every_result_from_the_start),
        "many messages",
    ),
    Mutant("joins bit by bit", "G01", sending(join_a_text_bit_by_bit), "a long text"),
    Mutant("looks at all events again", "G02", decoding(KeepsEverything), "times as long"),
    Mutant("searches unfinished events again", "G03", decoding(SearchesAgain), "times as long"),
    Mutant("swallows an unfinished event", "G03", decoding(SwallowsTheRest), "end in Fail"),
    Mutant("reads errors by a slow pattern", "G04", Backtracking, "times as long"),
]
