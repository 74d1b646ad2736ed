"""The vendor's servers as the kit needs them for logins and refreshes.

A plugin is handed an HTTP client whose every request goes to a `Vendor`; the kit plays the person
and the browser, and the trouble on the line. `OAuthVendor` and `KeyVendor` are ready made: subclass
one and say its addresses. For a vendor with an own way of login write a `Vendor` of some lines, or
wrap the ASGI application of a simulator in `httpx.ASGITransport`.
"""

import base64
import hashlib
import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx

from gateway_core.json import JsonObject, loads_object
from gateway_core.testing.case import NotApplicable, Violation

__all__ = ["Decision", "KeyVendor", "Mood", "OAuthVendor", "Vendor"]

Decision: TypeAlias = Literal["approve", "deny"]
Mood: TypeAlias = Literal["well", "pending", "sparing", "rejecting"]

_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Vendor(Protocol):
    """One vendor, as scripted by the author of a plugin. The kit makes a fresh one for each login.

    methods: the login methods to prove, of those that `gateway_login` takes (`browser`, `paste`,
    `device`, or `auto` where there is but one way). answers: what the person types when asked (an
    API key, a region), in order; asked more than that, the person pastes the redirect.
    """

    @property
    def methods(self) -> Collection[str]:
        """Which logins to prove."""
        ...

    @property
    def answers(self) -> Collection[str]:
        """What the person types."""
        ...

    def transport(self) -> httpx.AsyncBaseTransport:
        """What answers every request that the plugin sends."""
        ...

    async def browse(self, url: str, decision: Decision) -> str | None:
        """What the browser does with a URL that was opened or shown: where the vendor redirects to
        in the end (the callback, with code and state), or None when it keeps the browser.

        Raises `Violation` when the URL lacks what the vendor demands (PKCE, a state), and
        `NotApplicable` for a decision that this vendor has no page for.
        """
        ...

    def be(self, mood: Mood) -> None:
        """Change how requests are answered from now on: `pending` leaves device codes undecided,
        `sparing` refreshes without a new refresh token, `rejecting` refuses refresh tokens for
        good. Raises `NotApplicable` for a mood that this vendor never has.
        """
        ...

    def secrets(self) -> Collection[str]:
        """Every secret given out or expected so far: codes, tokens, verifiers, client secrets."""
        ...


@dataclass(slots=True, frozen=True)
class _Grant:
    """What an authorization code is good for, once."""

    challenge: str | None
    redirect_uri: str


class _RefusedError(Exception):
    """The request is answered with an OAuth error."""

    def __init__(self, code: str, description: str, status: int = 400) -> None:
        super().__init__(code)
        self.status = status
        self.body = {"error": code, "error_description": description}


class OAuthVendor:
    """OAuth 2 as most vendors have it: the authorization code with PKCE, by loopback redirect or
    pasted URL, the device code (RFC 8628), and refresh tokens that rotate.

    Subclass it and set what differs. Strict: it checks PKCE, state, client and redirect address,
    spends codes and refresh tokens once, and quotes what it refuses, as many real servers do.

    authorize_url, token_url, device_url: the vendor's addresses; a method without one is not
    offered. client_id: None takes any. client_secret: what the token endpoint demands besides.
    pkce: whether the authorize page demands it. rotates: whether a refresh brings a new refresh
    token. lifetime: seconds that access tokens live.
    """

    methods: Collection[str] = ("browser", "paste")
    answers: Collection[str] = ()
    authorize_url: ClassVar[str | None] = None
    token_url: ClassVar[str] = "https://auth.vendor.example/oauth/token"  # noqa: S105  # an address
    device_url: ClassVar[str | None] = None
    client_id: ClassVar[str | None] = None
    client_secret: ClassVar[str | None] = None
    pkce: ClassVar[bool] = True
    rotates: ClassVar[bool] = True
    lifetime: ClassVar[int] = 3600

    def __init__(self) -> None:
        self._mood: Mood = "well"
        self._numbers = itertools.count(1)
        self._codes: dict[str, _Grant] = {}
        self._devices: dict[str, Decision | None] = {}
        self._live: set[str] = set()
        self._secrets: set[str] = {self.client_secret} if self.client_secret else set()

    def transport(self) -> httpx.AsyncBaseTransport:
        """The vendor's servers."""
        return httpx.MockTransport(self._answer)

    async def browse(self, url: str, decision: Decision) -> str | None:
        """The authorize page, which redirects, or the page for device codes, which does not."""
        address = url.partition("?")[0]
        if address != self.authorize_url:
            self._devices = {
                code: decision if decided is None else decided
                for code, decided in self._devices.items()
            }
            return None
        query = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
        self._check_authorize(query)
        answer = {"state": query["state"]}
        if decision == "deny":
            answer |= {"error": "access_denied", "error_description": "the person said no"}
        else:
            answer["code"] = self._secret("code")
            self._codes[answer["code"]] = _Grant(query.get("code_challenge"), query["redirect_uri"])
        return f"{query['redirect_uri']}?{urlencode(answer)}"

    def be(self, mood: Mood) -> None:
        """Change how requests are answered."""
        if mood == "pending" and self.device_url is None:
            raise NotApplicable("the vendor has no device codes")
        self._mood = mood

    def secrets(self) -> Collection[str]:
        """All there are so far."""
        return frozenset(self._secrets)

    def tokens(self, access: str, refresh: str | None) -> JsonObject:
        """The body of a successful answer; override it for other names or more members."""
        body = {"access_token": access, "token_type": "Bearer", "expires_in": self.lifetime}
        return body | ({"refresh_token": refresh} if refresh else {})

    def other(self, request: httpx.Request) -> httpx.Response:
        """The answer at any other address (who am I, which models); 404 unless overridden."""
        return httpx.Response(404, json={"error": "not_found"})

    def _secret(self, kind: str) -> str:
        secret = f"canary-{kind}-{next(self._numbers)}-of-the-vendor"
        self._secrets.add(secret)
        return secret

    def _check_authorize(self, query: Mapping[str, str]) -> None:
        if query.get("response_type") != "code":
            raise Violation("the authorize URL does not ask for a code (response_type=code)")
        if self.client_id is not None and query.get("client_id") != self.client_id:
            raise Violation(f"the authorize URL names the client {query.get('client_id')!r}")
        if not query.get("state"):
            raise Violation("the authorize URL has no state")
        if self.pkce and (
            query.get("code_challenge_method") != "S256"
            or len(query.get("code_challenge", "")) != 43
        ):
            raise Violation("the authorize URL has no PKCE challenge of the method S256")
        redirect = urlsplit(query.get("redirect_uri", ""))
        if redirect.scheme == "http" and redirect.hostname not in _LOOPBACK:
            raise Violation(f"the redirect goes over plain HTTP to {redirect.hostname!r}")

    def _answer(self, request: httpx.Request) -> httpx.Response:
        address = str(request.url).partition("?")[0]
        if request.method != "POST" or address not in (self.token_url, self.device_url):
            return self.other(request)
        try:
            fields = _fields(request)
            body = self._device() if address == self.device_url else self._token(fields)
        except _RefusedError as refusal:
            return httpx.Response(refusal.status, json=refusal.body)
        return httpx.Response(200, json=body)

    def _device(self) -> JsonObject:
        code = self._secret("device-code")
        self._devices[code] = None
        page = "https://vendor.example/activate"
        return {
            "device_code": code,
            "user_code": "ABCD-EFGH",
            "verification_uri": page,
            "verification_uri_complete": f"{page}?user_code=ABCD-EFGH",
            "expires_in": 600,
            "interval": 0.01,
        }

    def _token(self, fields: Mapping[str, str]) -> JsonObject:
        if self.client_id is not None and fields.get("client_id") != self.client_id:
            raise _RefusedError("invalid_client", "unknown client", 401)
        if self.client_secret is not None and fields.get("client_secret") != self.client_secret:
            raise _RefusedError("invalid_client", "the client did not prove itself", 401)
        match fields.get("grant_type"):
            case "authorization_code":
                return self._exchange(fields)
            case "refresh_token":
                return self._refresh(fields.get("refresh_token", ""))
            case grant if grant == _DEVICE_GRANT:
                return self._poll(fields.get("device_code", ""))
        raise _RefusedError("unsupported_grant_type", "unknown grant")

    def _exchange(self, fields: Mapping[str, str]) -> JsonObject:
        code, verifier = fields.get("code", ""), fields.get("code_verifier")
        if verifier:
            self._secrets.add(verifier)
        grant = self._codes.pop(code, None)
        if grant is None:
            raise _RefusedError("invalid_grant", f"the code {code} is not valid")
        if grant.challenge is not None and _challenge(verifier or "") != grant.challenge:
            raise _RefusedError("invalid_grant", f"the verifier {verifier} does not fit")
        if fields.get("redirect_uri") != grant.redirect_uri:
            raise _RefusedError("invalid_grant", "redirect_uri differs")
        return self._granted()

    def _refresh(self, token: str) -> JsonObject:
        if self._mood == "rejecting" or token not in self._live:
            raise _RefusedError("invalid_grant", f"the refresh token {token} was revoked")
        if self._mood == "sparing" or not self.rotates:
            return self.tokens(self._secret("access-token"), None)
        self._live.remove(token)
        return self._granted()

    def _poll(self, code: str) -> JsonObject:
        if code not in self._devices:
            raise _RefusedError("invalid_grant", f"the device code {code} is not valid")
        decided = self._devices[code]
        if self._mood == "pending" or decided is None:
            raise _RefusedError("authorization_pending", f"nobody has used {code} yet")
        del self._devices[code]
        if decided == "deny":
            raise _RefusedError("access_denied", "the person said no")
        return self._granted()

    def _granted(self) -> JsonObject:
        refresh = self._secret("refresh-token")
        self._live.add(refresh)
        return self.tokens(self._secret("access-token"), refresh)


class KeyVendor:
    """A vendor whose logins are keys that a person types; nothing can be refreshed.

    key: what is typed. Every request with it in `authorization` or `x-api-key` is answered by
    `other`, every one without it with 401.
    """

    methods: Collection[str] = ("auto",)
    key: ClassVar[str] = "canary-key-that-was-typed"

    def __init__(self) -> None:
        self.answers: Collection[str] = (self.key,)

    def transport(self) -> httpx.AsyncBaseTransport:
        """The vendor's servers."""
        return httpx.MockTransport(self._answer)

    async def browse(self, url: str, decision: Decision) -> str | None:
        """A page that shows keys redirects nowhere."""
        raise NotApplicable("the login happens in no browser")

    def be(self, mood: Mood) -> None:
        """Keys know no moods."""
        if mood != "well":
            raise NotApplicable("the vendor gives out keys, which are neither polled nor refreshed")

    def secrets(self) -> Collection[str]:
        """The key."""
        return (self.key,)

    def other(self, request: httpx.Request) -> httpx.Response:
        """The answer to a request with the right key; an empty object unless overridden."""
        return httpx.Response(200, json={})

    def _answer(self, request: httpx.Request) -> httpx.Response:
        shown = (request.headers.get(name, "") for name in ("authorization", "x-api-key"))
        if not any(value.endswith(self.key) for value in shown):
            return httpx.Response(401, json={"error": {"message": "wrong key"}})
        return self.other(request)


def _fields(request: httpx.Request) -> JsonObject:
    """What was posted, as a form or as JSON."""
    try:
        if request.headers.get("content-type", "").startswith("application/json"):
            return loads_object(request.content)
        return dict(parse_qsl(request.content.decode(), keep_blank_values=True))
    except ValueError as error:
        raise _RefusedError("invalid_request", "the body is neither a form nor JSON") from error


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
