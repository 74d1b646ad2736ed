"""What the core does where no plugin says otherwise: the optional hooks of a provider and the
built-in store, as a plugin of its own.
"""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from gateway_core.errors import GatewayError, error_for_status
from gateway_core.hookspecs import CONTRACT, hookimpl
from gateway_core.json import loads
from gateway_core.provider import NoSettings, UpstreamCall, UpstreamStream
from gateway_core.request import Request
from gateway_core.state.info import StateStoreInfo
from gateway_core.state.sqlite import SqliteStore

if TYPE_CHECKING:
    from gateway_core.http import Transport

__all__ = ["BUILT_IN_STORE", "STATE_FILE", "CoreDefaults", "message_in", "retry_after_in"]

BUILT_IN_STORE = "sqlite"
STATE_FILE = "gateway.sqlite3"
"""The name of the built-in store's file in the state folder."""
_LONGEST_MESSAGE = 2000


class CoreDefaults:
    """One HTTP request to open, errors judged by status, o200k for counting, a file for state."""

    @hookimpl
    def gateway_state_store(self) -> StateStoreInfo:
        """One SQLite file."""
        return StateStoreInfo(BUILT_IN_STORE, CONTRACT, _make_sqlite)

    @hookimpl(trylast=True)
    def gateway_open(
        self, call: UpstreamCall, transport: "Transport"
    ) -> AbstractAsyncContextManager[UpstreamStream]:
        """One HTTP request."""
        return transport.stream(call)

    @hookimpl(trylast=True)
    def gateway_error(
        self, status: int, headers: Mapping[str, str], body: bytes, call: UpstreamCall
    ) -> GatewayError:
        """By status, with the message that the body holds in one of the usual places."""
        return error_for_status(
            status,
            message_in(body, headers) or f"the upstream answered with status {status}",
            retry_after=retry_after_in(headers),
        )

    @hookimpl(trylast=True)
    def gateway_count_tokens(self, request: Request, call: UpstreamCall | None) -> int:
        """The o200k count of all that would be sent: of the call's body where its shape is one of
        the public formats, else of the request.
        """
        from gateway_core.sent_tokens import count_sent
        from gateway_core.tokens import count_request

        sent = None if call is None else count_sent(call.body)
        return count_request(request) if sent is None else sent


def _make_sqlite(options: NoSettings, folder: Path) -> SqliteStore:
    return SqliteStore(folder / STATE_FILE)


def message_in(body: bytes, headers: Mapping[str, str]) -> str | None:
    """The error message in an upstream's body, or None. A page of HTML is named, never quoted."""
    if "html" in headers.get("content-type", "") or body.lstrip()[:1] == b"<":
        return "the upstream answered with a web page instead of an API error"
    try:
        value = loads(body)
    except ValueError:
        return body.decode("utf-8", "replace").strip()[:_LONGEST_MESSAGE] or None
    if isinstance(value, dict):
        error = value.get("error", value)
        places = (error, value) if isinstance(error, dict) else ({"message": error}, value)
        for place in places:
            for key in ("message", "detail", "error_description"):
                if isinstance(text := place.get(key), str) and text:
                    return text[:_LONGEST_MESSAGE]
    return None


def retry_after_in(headers: Mapping[str, str]) -> float | None:
    """The `retry-after` header in seconds; its date form is not used by any known upstream."""
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    return seconds if seconds >= 0 else None
