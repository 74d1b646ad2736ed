"""The backend's event stream to canonical events, sans-IO.

`gateway_core.formats.responses` reads the Responses part of it. Here is what is the backend's own:
its private events, and errors in its own terms.
"""

from collections.abc import Callable, Mapping

from gateway_codex.account import rate_windows_from_event
from gateway_codex.errors import quota_error, refine
from gateway_codex.request import ISSUER
from gateway_core import Event, JsonObject, RateWindow, UpstreamProtocol
from gateway_core.events import Begin, Fail, NoticeSeen, Tick, UsageSeen
from gateway_core.formats.responses import StreamReader
from gateway_core.json import loads_object

__all__ = ["CodexDecoder"]

_PREAMBLE = frozenset({Begin, Tick, UsageSeen, NoticeSeen})


class CodexDecoder:
    """A `StreamDecoder` for one answer.

    scope: stamped on seals. restore: wire names of tools to those of the client. on_windows: shown
    the rate-limit windows that the stream tells of. clock: Unix time, for waiting times in errors.
    """

    def __init__(
        self,
        scope: str,
        restore: Mapping[str, str],
        *,
        clock: Callable[[], float],
        on_windows: Callable[[list[RateWindow]], None] | None = None,
    ) -> None:
        self._reader = StreamReader(ISSUER, scope, on_unknown=self._private, tool_names=restore)
        self._clock = clock
        self._on_windows = on_windows
        self._limit_reached: list[RateWindow] | None = None
        self._answered = False

    def feed(self, data: bytes) -> list[Event]:
        """Events completed by these bytes."""
        return self._finish(self._reader.feed(data))

    def end(self) -> list[Event]:
        """The upstream closed the stream: a `Fail` unless the answer was over."""
        return self._finish(self._reader.end())

    def data_to_send(self) -> bytes:
        """Nothing: the protocol does not answer back."""
        return b""

    def _finish(self, events: list[Event]) -> list[Event]:
        if not events:
            return events
        last = events[-1]
        if type(last) is Fail:
            self._refine(last, events)
        elif not self._answered:
            self._answered = any(type(event) not in _PREAMBLE for event in events)
        return events

    def _refine(self, fail: Fail, events: list[Event]) -> None:
        answered = self._answered or any(
            type(event) not in _PREAMBLE for event in events if event is not fail
        )
        limit = self._limit_reached
        if limit is not None and not answered and isinstance(fail.error, UpstreamProtocol):
            # The backend said that the plan is used up, and then nothing more.
            fail.error = quota_error(limit, self._clock())
        else:
            fail.error = refine(fail.error, self._clock())

    def _private(self, kind: str, payload: bytes) -> None:
        if kind != "codex.rate_limits":
            return
        event = loads_object(payload)
        windows = rate_windows_from_event(event)
        if self._on_windows is not None and windows:
            self._on_windows(windows)
        credits, limits = _object(event, "credits"), _object(event, "rate_limits")
        paid = credits.get("has_credits") or credits.get("unlimited")
        if limits.get("limit_reached") is True and not paid:
            self._limit_reached = windows


def _object(event: JsonObject, key: str) -> JsonObject:
    value = event.get(key)
    return value if isinstance(value, dict) else {}
