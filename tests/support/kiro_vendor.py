"""Kiro's login services as the conformance kit wants them: the simulator behind a `Vendor`.

The plugin asks the real addresses; here they lead to the simulator's folders.
"""

import re
from collections import deque
from collections.abc import Collection
from typing import Final

import httpx
from starlette.applications import Starlette

from gateway_core.testing import Violation
from gateway_core.testing.vendor import Decision, Mood
from simulators.kiro.auth import LoginScript, auth_routes
from simulators.kiro.services import models, usage_limits
from simulators.kiro.state import BUILDER_PROFILE, Account, KiroState, TokenRefused

__all__ = ["KIRO_SETTINGS", "BuilderVendor", "KiroVendor"]

KIRO_SETTINGS = {"callback_ports": (0,), "payload_limit_bytes": 0}
"""Logins come back to any free port, so that tests may run side by side; texts of any length go
out, as the kit measures what they cost.
"""

_PORTAL: Final = "https://app.kiro.dev"
_FOLDERS: Final = (
    (re.compile(r"prod\.([a-z0-9-]+)\.auth\.desktop\.kiro\.dev"), "auth"),
    (re.compile(r"oidc\.([a-z0-9-]+)\.amazonaws\.com"), "oidc"),
)
_SERVICES: Final = re.compile(
    r"(?:management\.[a-z0-9-]+\.kiro\.dev|q\.[a-z0-9-]+\.amazonaws\.com)"
)
_ENDLESS: Final = 1000


class KiroVendor:
    """One person with a Google account, who logs in at the portal, or there with a code."""

    methods: Collection[str] = ("browser", "paste", "device")
    answers: Collection[str] = ("1",)

    def __init__(self) -> None:
        self._state = KiroState()
        self._state.add_account(Account("ann"))
        self._state.add_account(Account("builder", "builder", profile=BUILDER_PROFILE))
        self._script = LoginScript()
        self._services = _Addresses(self._state, self._script)
        self._undecided()
        self._pending = False

    def transport(self) -> httpx.AsyncBaseTransport:
        """The portal, the login services, and the service that knows whose account it is."""
        return self._services

    async def browse(self, url: str, decision: Decision) -> str | None:
        """The portal, which redirects; the pages for device codes do not."""
        if not url.startswith(f"{_PORTAL}/signin?"):
            if not self._pending:
                refusal = "access_denied"
                self._script.device_answers = deque([refusal] if decision == "deny" else [])
            return None
        self._script.option = "deny" if decision == "deny" else "google"
        async with httpx.AsyncClient(transport=self._services) as browser:
            answer = await browser.get(url, follow_redirects=False)
        if answer.status_code != 302:
            raise Violation("; ".join(self._script.violations))
        return str(answer.headers["location"])

    def be(self, mood: Mood) -> None:
        """Change how requests are answered."""
        self._pending = mood == "pending"
        self._undecided()
        self._state.rotates = mood != "sparing"
        if mood == "rejecting":
            for secret in list(self._state.secrets):
                if self._state.owner_of_refresh(secret) is not None:
                    self._state.refresh(secret)  # somebody else was quicker

    def secrets(self) -> Collection[str]:
        """All that were given out, and the verifiers that came."""
        sent = [fields.get("code_verifier") for _, fields in self._script.requests]
        return {*self._state.secrets, *(text for text in sent if isinstance(text, str))}

    def _undecided(self) -> None:
        self._script.device_answers = deque(["authorization_pending"] * _ENDLESS)


class BuilderVendor(KiroVendor):
    """The same person with an AWS Builder ID, which is for codes alone."""

    methods: Collection[str] = ("device",)
    answers: Collection[str] = ("3",)


class _Addresses(httpx.AsyncBaseTransport):
    """Requests to the real addresses, taken to the simulator's."""

    def __init__(self, state: KiroState, script: LoginScript) -> None:
        self._state = state
        self._app = httpx.ASGITransport(Starlette(routes=auth_routes(state, script)))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        if _SERVICES.fullmatch(host):
            return self._told(request)
        path = request.url.raw_path.decode()
        for pattern, folder in _FOLDERS:
            if found := pattern.fullmatch(host):
                path = f"/{folder}/{found[1]}{path}"
        here = httpx.Request(
            request.method,
            f"{_PORTAL}{path}",
            headers={**request.headers, "host": "app.kiro.dev"},
            stream=request.stream,
        )
        return await self._app.handle_async_request(here)

    def _told(self, request: httpx.Request) -> httpx.Response:
        """Whose account it is, and what it is offered."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        try:
            account = self._state.account_of(token)
        except TokenRefused:
            told = "The bearer token included in the request is invalid."
            return httpx.Response(403, json={"message": told})
        if request.headers.get("x-amz-target", "").endswith(".ListAvailableModels"):
            return httpx.Response(200, json=models(self._state, None))
        if request.url.path == "/Get-Usage-Limits":
            return httpx.Response(200, json=usage_limits(account))
        return httpx.Response(404, json={"__type": "UnknownOperationException"})
