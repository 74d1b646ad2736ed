"""The OAuth helpers against an identity provider on a socket."""

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import pytest
from pydantic import SecretStr

from gateway_core.credentials.oauth import (
    Encoding,
    TokenResponse,
    authorize_url,
    exchange_code,
    jwt_claims,
    pkce_pair,
    random_state,
    refresh_token,
    renewed,
)
from gateway_core.credentials.store import Credential
from gateway_core.errors import (
    GatewayError,
    LoginRequired,
    Overloaded,
    RateLimited,
    UpstreamFailed,
    UpstreamProtocol,
    UpstreamTimeout,
)
from support.identity_provider import CLIENT_ID, Fault, IdentityProvider


def jwt(claims: dict[str, object]) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"eyJhbGciOiJub25lIn0.{body}.c2lnbmF0dXJl"


async def refresh(
    http: httpx.AsyncClient,
    identity_provider: IdentityProvider,
    token: str = "refresh-secret-0",
    encoding: Encoding = "form",
) -> TokenResponse:
    return await refresh_token(
        http,
        identity_provider.token_url,
        refresh_token=SecretStr(token),
        client_id=CLIENT_ID,
        encoding=encoding,
    )


async def code_from(
    http: httpx.AsyncClient, identity_provider: IdentityProvider, challenge: str
) -> str:
    """Agree to the login in the browser's place and take the code from the redirect."""
    url = authorize_url(
        f"{identity_provider.url}/authorize",
        client_id=CLIENT_ID,
        redirect_uri="http://127.0.0.1:1/callback",
        state="state-1",
        challenge=challenge,
    )
    response = await http.get(url, follow_redirects=False)
    return parse_qs(urlsplit(response.headers["location"]).query)["code"][0]


class TestBuildingBlocks:
    def test_the_challenge_is_the_verifiers_hash_without_padding(self) -> None:
        pair = pkce_pair()
        verifier = pair.verifier.get_secret_value()

        digest = base64.urlsafe_b64decode(pair.challenge + "=")
        assert digest == hashlib.sha256(verifier.encode()).digest()
        assert (len(verifier), len(pair.challenge)) == (43, 43)

    def test_the_verifier_can_be_longer(self) -> None:
        assert len(pkce_pair(64).verifier.get_secret_value()) == 86

    def test_every_attempt_differs(self) -> None:
        assert len({random_state() for _ in range(10)} | {pkce_pair().challenge}) == 11

    def test_the_authorize_url_is_percent_encoded_and_takes_extras(self) -> None:
        url = authorize_url(
            "https://auth.example.org/authorize",
            client_id="app",
            redirect_uri="http://localhost:1455/auth/callback",
            state="s&t",
            challenge="c",
            scope="openid offline_access",
            extra={"originator": "gateway"},
        )

        assert "redirect_uri=http%3A%2F%2Flocalhost%3A1455%2Fauth%2Fcallback" in url
        assert dict(parse_qsl(urlsplit(url).query)) == {
            "response_type": "code",
            "client_id": "app",
            "redirect_uri": "http://localhost:1455/auth/callback",
            "scope": "openid offline_access",
            "state": "s&t",
            "code_challenge": "c",
            "code_challenge_method": "S256",
            "originator": "gateway",
        }

    @pytest.mark.parametrize("wrap", [str, SecretStr], ids=["plain", "secret"])
    def test_claims_are_read_without_verifying(self, wrap: type[str] | type[SecretStr]) -> None:
        claims = {"exp": 1790000000, "sub": "ünï"}

        assert jwt_claims(wrap(jwt(claims))) == claims

    @pytest.mark.parametrize(
        "token", ["", "opaque", "a.b", "a.b.c", "a.W10.c", "a.ü.c", "...", ".."]
    )
    def test_an_opaque_token_has_no_claims(self, token: str) -> None:
        assert jwt_claims(token) == {}


class TestTokenResponse:
    @pytest.mark.parametrize("written", [3600, 3600.0, "3600"])
    def test_expires_in_is_taken_as_servers_write_it(self, written: object) -> None:
        tokens = TokenResponse.model_validate({"access_token": "a", "expires_in": written})

        assert tokens.expires_at == tokens.received_at + timedelta(hours=1)

    @pytest.mark.parametrize("written", [0, -5, "soon", None, [], "nan", {}])
    def test_a_senseless_lifetime_does_not_cost_the_token(self, written: object) -> None:
        tokens = TokenResponse.model_validate({"access_token": "a", "expires_in": written})

        assert tokens.access_token is not None
        assert tokens.expires_at is None

    def test_an_endless_lifetime_is_cut(self) -> None:
        tokens = TokenResponse.model_validate({"access_token": "a", "expires_in": 1e300})

        assert tokens.expires_at is not None

    def test_without_expires_in_the_tokens_own_claim_counts(self) -> None:
        tokens = TokenResponse.model_validate({"access_token": jwt({"exp": 1790000000})})

        assert tokens.expires_at == datetime.fromtimestamp(1790000000, UTC)

    @pytest.mark.parametrize("exp", ["soon", None, 1e300, [1]])
    def test_a_senseless_claim_is_no_end(self, exp: object) -> None:
        assert TokenResponse.model_validate({"access_token": jwt({"exp": exp})}).expires_at is None

    def test_camel_case_is_understood(self) -> None:
        tokens = TokenResponse.model_validate(
            {"accessToken": "a", "refreshToken": "r", "expiresIn": 60, "tokenType": "Bearer"}
        )

        assert tokens.access_token == SecretStr("a")
        assert tokens.refresh_token == SecretStr("r")
        assert (tokens.expires_in, tokens.token_type) == (60, "Bearer")

    def test_null_and_empty_mean_missing(self) -> None:
        tokens = TokenResponse.model_validate({"access_token": "", "refresh_token": None})

        assert (tokens.access_token, tokens.refresh_token) == (None, None)


class TestExchange:
    @pytest.mark.parametrize("encoding", ["form", "json"])
    async def test_a_code_becomes_tokens(
        self, http: httpx.AsyncClient, identity_provider: IdentityProvider, encoding: Encoding
    ) -> None:
        pair = pkce_pair()
        tokens = await exchange_code(
            http,
            identity_provider.token_url,
            client_id=CLIENT_ID,
            code=await code_from(http, identity_provider, pair.challenge),
            redirect_uri="http://127.0.0.1:1/callback",
            verifier=pair.verifier,
            encoding=encoding,
            extra={"audience": "api"},
        )

        assert tokens.access_token is not None
        assert tokens.refresh_token is not None
        assert tokens.raw["token_type"] == "Bearer"
        assert identity_provider.requests[-1]["audience"] == "api"

    async def test_a_wrong_verifier_needs_a_new_login(
        self, http: httpx.AsyncClient, identity_provider: IdentityProvider
    ) -> None:
        code = await code_from(http, identity_provider, pkce_pair().challenge)

        with pytest.raises(LoginRequired, match=r"invalid_grant.*start again") as caught:
            await exchange_code(
                http,
                identity_provider.token_url,
                client_id=CLIENT_ID,
                code=code,
                redirect_uri="http://127.0.0.1:1/callback",
                verifier=pkce_pair().verifier,
            )
        assert caught.value.code == "invalid_grant"

    async def test_an_answer_without_a_token_is_not_a_login(
        self, http: httpx.AsyncClient, identity_provider: IdentityProvider
    ) -> None:
        identity_provider.faults.append(Fault(200, b'{"token_type": "Bearer"}'))

        with pytest.raises(UpstreamProtocol, match="no access token"):
            await exchange_code(
                http,
                identity_provider.token_url,
                client_id=CLIENT_ID,
                code="code-secret-0",
                redirect_uri="http://127.0.0.1:1/callback",
                verifier=pkce_pair().verifier,
            )


class TestRefresh:
    @pytest.mark.parametrize("encoding", ["form", "json"])
    async def test_it_brings_a_new_pair(
        self, http: httpx.AsyncClient, identity_provider: IdentityProvider, encoding: Encoding
    ) -> None:
        old = identity_provider.log_in()
        tokens = await refresh(http, identity_provider, old.refresh, encoding)

        assert tokens.refresh_token is not None
        assert tokens.refresh_token.get_secret_value() != old.refresh

    async def test_a_spent_token_is_rejected_for_good(
        self, http: httpx.AsyncClient, identity_provider: IdentityProvider
    ) -> None:
        old = identity_provider.log_in()
        await refresh(http, identity_provider, old.refresh)

        with pytest.raises(LoginRequired, match="has been revoked") as caught:
            await refresh(http, identity_provider, old.refresh)
        assert caught.value.code == "invalid_grant"

    @pytest.mark.parametrize(
        "fault",
        [
            Fault(400, b'{"error": "invalid_grant"}'),
            Fault(401, b'{"error": "anything"}'),
            Fault(401, b""),
            Fault(401, b'{"error": {"code": "refresh_token_reused", "message": "used"}}'),
            Fault(400, b'{"error": {"code": "Refresh_Token_Expired"}}'),
            Fault(400, b'{"code": "app_session_expired", "message": "over"}'),
            Fault(200, b'{"error": "invalid_grant"}'),
        ],
    )
    async def test_rejections(
        self, http: httpx.AsyncClient, identity_provider: IdentityProvider, fault: Fault
    ) -> None:
        identity_provider.faults.append(fault)

        with pytest.raises(LoginRequired):
            await refresh(http, identity_provider)

    @pytest.mark.parametrize(
        ("fault", "error"),
        [
            (Fault(400, b'{"error": "temporarily_unavailable"}'), UpstreamFailed),
            (Fault(400, b""), UpstreamFailed),
            (Fault(400, b'{"error": 17}'), UpstreamFailed),
            (Fault(401, b"<html>Sign in to the hotel</html>", "text/html"), UpstreamFailed),
            (Fault(403, b"<html>Just a moment</html>", "text/html"), UpstreamFailed),
            (Fault(302, b"", headers={"location": "/elsewhere"}), UpstreamFailed),
            (Fault(429, b"{}"), RateLimited),
            (Fault(500, b"oops", "text/plain"), UpstreamFailed),
            (Fault(503), Overloaded),
            (Fault(504), UpstreamTimeout),
            (Fault(200, b"<html>", "text/html"), UpstreamProtocol),
            (Fault(200, b"[]"), UpstreamProtocol),
            (Fault(200, b'{"access_token": 17}'), UpstreamProtocol),
        ],
    )
    async def test_failures_that_may_pass(
        self,
        http: httpx.AsyncClient,
        identity_provider: IdentityProvider,
        fault: Fault,
        error: type[GatewayError],
    ) -> None:
        identity_provider.faults.append(fault)

        with pytest.raises(GatewayError) as caught:
            await refresh(http, identity_provider)
        assert type(caught.value) is error

    async def test_a_page_is_summarised_not_shown(
        self, http: httpx.AsyncClient, identity_provider: IdentityProvider
    ) -> None:
        page = b"<html>" + b"x" * 994
        identity_provider.faults.append(Fault(502, page, "text/html; charset=utf-8"))

        with pytest.raises(UpstreamFailed) as caught:
            await refresh(http, identity_provider)
        assert caught.value.message == (
            "the token endpoint refused: HTTP 502 (1000 bytes of text/html instead of JSON)"
        )

    async def test_retry_after_is_passed_on(
        self, http: httpx.AsyncClient, identity_provider: IdentityProvider
    ) -> None:
        identity_provider.faults.append(Fault(429, b"{}", headers={"retry-after": "7"}))

        with pytest.raises(RateLimited) as caught:
            await refresh(http, identity_provider)
        assert caught.value.retry_after == 7

    async def test_a_provider_may_reject_by_other_statuses(
        self, http: httpx.AsyncClient, identity_provider: IdentityProvider
    ) -> None:
        identity_provider.faults.append(Fault(403, b"{}"))

        with pytest.raises(LoginRequired):
            await refresh_token(
                http,
                identity_provider.token_url,
                refresh_token=SecretStr("refresh-secret-0"),
                rejected_statuses=(401, 403),
            )

    async def test_an_unreachable_provider_is_named(
        self, http: httpx.AsyncClient, identity_provider: IdentityProvider
    ) -> None:
        def refuse(request: httpx.Request) -> httpx.Response:
            raise httpx.ConnectError("refresh-secret-0", request=request)

        async with httpx.AsyncClient(transport=httpx.MockTransport(refuse)) as unreachable:
            with pytest.raises(UpstreamFailed, match=r"cannot reach .*127\.0\.0\.1.*ConnectError"):
                await refresh(unreachable, identity_provider)

    async def test_a_silent_provider_times_out(self, identity_provider: IdentityProvider) -> None:
        def stall(request: httpx.Request) -> httpx.Response:
            raise httpx.ReadTimeout("late", request=request)

        async with httpx.AsyncClient(transport=httpx.MockTransport(stall)) as silent:
            with pytest.raises(UpstreamTimeout, match="within 30 seconds"):
                await refresh(silent, identity_provider)


class TestRenewed:
    @pytest.fixture
    def credential(self) -> Credential:
        return Credential(
            provider="codex",
            account="ann",
            access_token=SecretStr("old-access"),
            refresh_token=SecretStr("old-refresh"),
            expires_at=datetime(2030, 1, 1, tzinfo=UTC),
            secrets={"id_token": SecretStr("old-id"), "client": SecretStr("kept")},
        )

    def test_what_came_replaces(self, credential: Credential) -> None:
        tokens = TokenResponse.model_validate(
            {"access_token": "a", "refresh_token": "r", "id_token": "i", "expires_in": 60}
        )

        assert renewed(credential, tokens) == credential.model_copy(
            update={
                "access_token": SecretStr("a"),
                "refresh_token": SecretStr("r"),
                "expires_at": tokens.expires_at,
                "secrets": {"id_token": SecretStr("i"), "client": SecretStr("kept")},
            }
        )

    def test_what_did_not_come_stays(self, credential: Credential) -> None:
        assert renewed(credential, TokenResponse.model_validate({})) == credential

    def test_a_new_token_of_unknown_life_has_no_end(self, credential: Credential) -> None:
        tokens = TokenResponse.model_validate({"access_token": "a"})

        assert renewed(credential, tokens).expires_at is None

    def test_the_time_to_refresh_was_of_the_old_token(self, credential: Credential) -> None:
        old = credential.model_copy(update={"refresh_at": datetime(2030, 1, 1, tzinfo=UTC)})
        tokens = TokenResponse.model_validate({"access_token": "a"})

        assert renewed(old, tokens).refresh_at is None
