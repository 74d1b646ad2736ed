"""Cursor's login as the conformance kit wants it: the simulator behind a `Vendor`.

The plugin asks the real addresses; here they lead to the simulator.
"""

from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

import httpx

from gateway_core.testing import Violation
from gateway_core.testing.case import NotApplicable
from gateway_core.testing.vendor import Decision, Mood
from simulators.cursor.auth import Auth, LoginScript
from simulators.cursor.http import Answer, Asked
from simulators.cursor.services import Services
from simulators.cursor.state import Account, CursorState

__all__ = ["CursorVendor", "KeyVendor"]

_HOSTS: Final = ("cursor.com", "api2.cursor.sh")


class CursorVendor:
    """One person who is logged in at cursor.com. There is nothing to paste."""

    methods: Collection[str] = ("browser", "device")
    answers: Collection[str] = ("1",)

    def __init__(self) -> None:
        self._state = CursorState()
        self._state.rotates = True
        self._account = self._state.add_account(Account())
        self._script = LoginScript()
        self._auth = Auth(self._state, self._script)
        self._services = Services(self._state)
        self._verifiers: set[str] = set()
        self._pending = False

    def transport(self) -> httpx.AsyncBaseTransport:
        """The login, and the services that know whose it is."""
        return httpx.MockTransport(self._answer)

    async def browse(self, url: str, decision: Decision) -> str | None:
        """The page on which the login is confirmed; it leads nowhere."""
        address = urlsplit(url)
        if address.netloc != "cursor.com":
            raise Violation(f"the login happens at {address.netloc}")
        if decision == "deny":
            raise NotApplicable("nobody can say no at Cursor but by closing the page")
        if not self._pending:
            await self._auth.answer(Asked("GET", f"{address.path}?{address.query}", {}))
        self._complain()
        return None

    def be(self, mood: Mood) -> None:
        """Change how requests are answered."""
        self._pending = mood == "pending"
        self._state.rotates = mood != "sparing"
        if mood == "rejecting":
            self._state.end_sessions()

    def secrets(self) -> Collection[str]:
        """All that were given out, and the verifiers that came."""
        return {*self._state.secrets, *self._verifiers}

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.scheme != "https" or request.url.host not in _HOSTS:
            raise Violation(f"{request.url.scheme}://{request.url.host} was asked")
        if "verifier" in request.url.params:
            self._verifiers.add(request.url.params["verifier"])
        target = request.url.raw_path.decode()
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = Asked(request.method, target, headers, request.content)
        answer = await self._auth.answer(asked) or await self._services.answer(asked)
        self._complain()
        found = answer or Answer(404)
        return httpx.Response(found.status, headers=found.headers, content=found.body)

    def _complain(self) -> None:
        found = [*self._script.violations, *self._services.violations]
        if found:
            raise Violation("; ".join(found))


class KeyVendor(CursorVendor):
    """The same person with an API key."""

    methods: Collection[str] = ("device",)

    def __init__(self) -> None:
        super().__init__()
        self.key = self._state.api_key(self._account.id)
        self.answers: Collection[str] = ("2", self.key)

    def be(self, mood: Mood) -> None:
        """A key is exchanged as often as one likes, and nobody waits for it."""
        if mood == "pending":
            raise NotApplicable("a key is typed, not waited for")
        super().be(mood)
