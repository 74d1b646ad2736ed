"""What is known of an exchange while it runs: for its client's headers, the log and observers.

No prompt and no answer text is kept, and errors leave without secrets.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from gateway_core.credentials.store import Credential
from gateway_core.errors import GatewayError
from gateway_core.events import End, Event, Fail, Notice, NoticeSeen, Usage, UsageSeen
from gateway_core.provider import Exchange, Route
from gateway_core.redaction import redact_message, register_secret
from gateway_core.request import Request

__all__ = ["Recording", "hide", "without_secrets"]


class Recording:
    """Gathers the facts of one exchange. Times are seconds of the event loop's clock.

    asked: to be set once a provider is asked.
    """

    def __init__(self, request: Request, id: str) -> None:
        self.id = id
        self.started = asyncio.get_running_loop().time()
        self.notices: list[Notice] = list(request.notices)
        self.error: GatewayError | None = None
        self.asked = False
        self._request = request
        self._started_at = datetime.now(UTC)
        self._first_event: float | None = None
        self._usage: Usage | None = None

    def answered(self) -> None:
        """The first part of the answer is there."""
        self._first_event = self._elapsed()

    def told(self, notices: Sequence[Notice]) -> None:
        """Keep what the plugin says about the call; a second attempt says it again."""
        self.notices += [notice for notice in notices if notice not in self.notices]

    def note(self, events: Sequence[Event]) -> None:
        """Keep what a batch of events tells about the exchange itself."""
        for event in events:
            kind = type(event)
            if kind is UsageSeen:
                self._usage = event.usage  # type: ignore[union-attr]  # kind says so
            elif kind is NoticeSeen:
                self.notices.append(event.notice)  # type: ignore[union-attr]  # as above
        last = events[-1]
        if type(last) is End:
            self._usage = last.usage or self._usage
        elif type(last) is Fail:
            self.failed(last.error)

    def failed(self, error: GatewayError) -> GatewayError:
        """The error that ended it, without secrets."""
        self.error = without_secrets(error)
        return self.error

    def exchange(
        self, format: str, status: int, route: Route | None, account: str | None
    ) -> Exchange:
        """The facts as the log and observers are told them."""
        return Exchange(
            id=self.id,
            format=format,
            provider=route.provider if route else "",
            account=account,
            model=route.model if route else "",
            requested=self._request.model,
            stream=self._request.stream,
            status=status,
            error=self.error.kind if self.error else None,
            started_at=self._started_at,
            first_event=self._first_event,
            duration=self._elapsed(),
            usage=self._usage,
            notices=[notice.code for notice in self.notices],
            upstream=self.error.upstream if self.error else None,
            asked=self.asked,
        )

    def _elapsed(self) -> float:
        return asyncio.get_running_loop().time() - self.started


def hide(credential: Credential) -> None:
    """Have the credential's secrets redacted from every log line and error of this process."""
    hidden = [credential.access_token, credential.refresh_token, *credential.secrets.values()]
    for secret in hidden:
        if secret is not None:
            register_secret(secret.get_secret_value())


def without_secrets(error: GatewayError) -> GatewayError:
    """The same error, redacted: an upstream's words may quote what we sent it."""
    error.message = redact_message(error.message)
    error.args = (error.message,)
    return error
