"""OpenAI's login service as the conformance kit wants it: the simulator behind a `Vendor`."""

from collections.abc import Collection

import httpx
from starlette.applications import Starlette

from gateway_core.json import loads_object
from gateway_core.testing import NotApplicable, Violation
from gateway_core.testing.vendor import Decision, Mood
from simulators.codex.auth import LoginScript, auth_routes
from simulators.codex.state import Account, BackendState
from support.codex_logins import ACCOUNT_ID

__all__ = ["CODEX_SETTINGS", "CodexVendor"]

CODEX_SETTINGS = {"callback_ports": (0,)}
"""Logins come back to any free port, so that tests may run side by side."""

_AUTHORIZE = "https://auth.openai.com/oauth/authorize"
_SECRET_FIELDS = (
    "access_token",
    "refresh_token",
    "id_token",
    "code",
    "authorization_code",
    "code_verifier",
    "device_auth_id",
)
_FOREVER = 1_000_000


class CodexVendor:
    """The service with one account. It has no page to decline a device code on, and every refresh
    brings a new refresh token.
    """

    methods: Collection[str] = ("browser", "paste", "device")
    answers: Collection[str] = ()

    def __init__(self) -> None:
        self._state = BackendState()
        self._state.add_account(Account(ACCOUNT_ID, email="ann@example.com"))
        self._script = LoginScript()
        self._app = httpx.ASGITransport(Starlette(routes=auth_routes(self._state, self._script)))
        self._told: set[str] = set()

    def transport(self) -> httpx.AsyncBaseTransport:
        """The service; what it answers is looked through for secrets."""
        return _Overheard(self._app, self._told)

    async def browse(self, url: str, decision: Decision) -> str | None:
        """The authorize page; the page for device codes takes whatever code it is given."""
        if not url.startswith(_AUTHORIZE):
            if decision == "deny":
                raise NotApplicable("this service cannot decline a device code, only let it lapse")
            return None
        self._script.deny = ("access_denied", "The user said no") if decision == "deny" else None
        async with httpx.AsyncClient(transport=self._app) as browser:
            answer = await browser.get(url, follow_redirects=False)
        if answer.status_code != 302:
            raise Violation(f"the authorize page refuses the URL: {answer.text}")
        redirect = str(answer.headers["location"])
        if code := httpx.URL(redirect).params.get("code"):
            self._told.add(code)
        return redirect

    def be(self, mood: Mood) -> None:
        """Change how requests are answered."""
        if mood == "sparing":
            raise NotApplicable("every refresh brings a new refresh token here")
        self._script.device_pending = _FOREVER if mood == "pending" else 0
        self._state.refuse_refresh = "refresh_token_expired" if mood == "rejecting" else None

    def secrets(self) -> Collection[str]:
        """What was sent and answered under a secret's name."""
        sent = {
            str(fields[name])
            for _, fields in self._script.requests
            for name in _SECRET_FIELDS
            if name in fields
        }
        return self._told | sent


class _Overheard(httpx.AsyncBaseTransport):
    def __init__(self, inner: httpx.AsyncBaseTransport, told: set[str]) -> None:
        self._inner = inner
        self._told = told

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        content = await response.aread()
        try:
            body = loads_object(content)
        except ValueError:
            body = {}
        self._told.update(str(body[name]) for name in _SECRET_FIELDS if name in body)
        return response
