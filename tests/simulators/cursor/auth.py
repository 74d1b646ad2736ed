"""Where people log in: the page in the browser, the polling, the refresh, the exchange of keys.

Checks what a careful client takes care of: the challenge, the attempt's id, who is told what.
`LoginScript` says how people answer and what goes wrong.
"""

import base64
import hashlib
import re
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from gateway_core.json import JsonObject, loads_object
from simulators.cursor.http import Answer, Asked
from simulators.cursor.state import CursorState, TokenRefused

__all__ = ["CLIENT_ID", "Auth", "LoginScript"]

CLIENT_ID: Final = "KbZUR41cY7W6zRSdpSUJ7I7mLYBKOCmB"
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_FORBIDDEN: Final = {"code": "unauthenticated", "message": "Invalid User API Key"}


@dataclass(slots=True)
class LoginScript:
    """How people answer and what goes wrong; a test changes it while the server runs.

    polls: what the next polls get before the person has agreed. agrees: whether the person does.
    elsewhere: whether they do so on a device that no test sees, without opening the page here.
    sign_out: how a dead session is told (`logout`: status 200 without a token; else a status).
    gone: whether the refresh of logins is no longer there. polled: how often.
    violations: what no careful client would have sent.
    """

    polls: deque[Answer] = field(default_factory=deque)
    agrees: bool = True
    elsewhere: bool = False
    sign_out: str = "logout"
    gone: bool = False
    polled: int = 0
    violations: list[str] = field(default_factory=list)


class Auth:
    """The calls without an access token."""

    def __init__(self, state: CursorState, script: LoginScript) -> None:
        self._state = state
        self.script = script
        self._waiting: dict[str, str] = {}  # id of the attempt: challenge

    async def answer(self, asked: Asked) -> Answer | None:
        """The answer, if this is where the path belongs."""
        served = {
            ("GET", "/loginDeepControl"): self._page,
            ("GET", "/auth/poll"): self._poll,
            ("POST", "/oauth/token"): self._refresh,
            ("POST", "/auth/exchange_user_api_key"): self._exchange,
        }.get((asked.method, asked.path))
        return None if served is None else served(asked)

    def _wrong(self, text: str) -> None:
        self.script.violations.append(text)

    def _page(self, asked: Asked) -> Answer:
        query = asked.query
        if query.keys() != {"challenge", "uuid", "mode", "redirectTarget"}:
            self._wrong(f"the login page is told {sorted(query)}")
        if (query.get("mode"), query.get("redirectTarget")) != ("login", "cli"):
            self._wrong(f"the login page is told {query}")
        if not _CHALLENGE.fullmatch(query.get("challenge", "")):
            self._wrong("the challenge is not a SHA-256 in base64url without padding")
        if not _UUID.fullmatch(query.get("uuid", "")):
            self._wrong("the id of the login is no random UUID in lower case")
        if self.script.agrees:
            self._waiting[query["uuid"]] = query["challenge"]
        return Answer(
            200, b"<p>You may return to your terminal.</p>", {"content-type": "text/html"}
        )

    def _poll(self, asked: Asked) -> Answer:
        self.script.polled += 1
        if "authorization" in asked.headers:
            self._wrong("a poll brings a token")
        query = asked.query
        if query.keys() != {"uuid", "verifier"}:
            self._wrong(f"a poll asks with {sorted(query)}")
        if self.script.polls:
            return self.script.polls.popleft()
        digest = hashlib.sha256(query.get("verifier", "").encode()).digest()
        proven = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        challenge = self._waiting.pop(query.get("uuid", ""), None)
        if challenge is None and self.script.elsewhere:
            challenge = proven
        if challenge is None:
            return Answer(404)
        if challenge != proven:
            self._wrong("the verifier of a poll does not belong to the challenge")
            return Answer(404)
        account = self._state.newest
        tokens = self._state.log_in(account.id)
        return Answer.of_json(
            {
                "accessToken": tokens.access,
                "refreshToken": tokens.refresh,
                "authId": account.id,
                "challenge": challenge,
                "uuid": query["uuid"],
            }
        )

    def _refresh(self, asked: Asked) -> Answer:
        if self.script.gone:
            return Answer(404)
        body = self._told(asked)
        if body.keys() != {"grant_type", "client_id", "refresh_token"}:
            self._wrong(f"a refresh has the members {sorted(body)}")
        if (body.get("grant_type"), body.get("client_id")) != ("refresh_token", CLIENT_ID):
            self._wrong("a refresh is of another kind or client")
        if "authorization" in asked.headers:
            self._wrong("a refresh brings a token in a header")
        if self._state.refresh_status is not None:
            self._state.refreshes += 1
            return Answer(self._state.refresh_status)
        given = str(body.get("refresh_token"))
        try:
            tokens = self._state.refresh(given)
        except TokenRefused:
            if self.script.sign_out != "logout":
                return Answer.of_json({"error": "unauthorized"}, int(self.script.sign_out))
            return Answer.of_json({"access_token": "", "id_token": "", "shouldLogout": True})
        granted: JsonObject = {"access_token": tokens.access, "id_token": "", "shouldLogout": False}
        if tokens.refresh != given:
            granted["refresh_token"] = tokens.refresh
        return Answer.of_json(granted)

    def _exchange(self, asked: Asked) -> Answer:
        if self._told(asked):
            self._wrong("the exchange of a key has a body")
        if self._state.refresh_status is not None:
            self._state.refreshes += 1
            return Answer(self._state.refresh_status)
        key = asked.bearer or ""
        if not key.startswith("crsr_") and not self.script.gone:
            self._wrong("what is no key was exchanged")
        try:
            tokens = self._state.exchange(key)
        except TokenRefused:
            return Answer.of_json(_FORBIDDEN, 401)
        return Answer.of_json({"accessToken": tokens.access, "refreshToken": tokens.refresh})

    def _told(self, asked: Asked) -> JsonObject:
        if asked.content_type != "application/json":
            self._wrong(f"{asked.path}: the body is no JSON")
        try:
            return loads_object(asked.body)
        except ValueError:
            self._wrong(f"{asked.path}: the body is no JSON object")
            return {}
