"""Login with a code on another device, with time in the test's hands."""

from collections.abc import Awaitable, Callable

import httpx
import pytest
from pydantic import ValidationError

from gateway_core.credentials.device import (
    DeviceCode,
    Pending,
    device_login,
    poll,
    show_device_code,
)
from gateway_core.credentials.oauth import TokenResponse
from gateway_core.errors import (
    GatewayError,
    LoginRequired,
    RateLimited,
    UpstreamFailed,
    UpstreamProtocol,
)
from support.identity_provider import CLIENT_ID, Fault, IdentityProvider
from support.login_prompt import ScriptedPrompt


class Time:
    """A monotonic clock that sleeping advances."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def prompt() -> ScriptedPrompt:
    return ScriptedPrompt()


Login = Callable[[], Awaitable[TokenResponse]]


@pytest.fixture
def login(
    http: httpx.AsyncClient,
    identity_provider: IdentityProvider,
    prompt: ScriptedPrompt,
    time: Time,
) -> Login:
    async def login() -> TokenResponse:
        return await device_login(
            prompt,
            http,
            device_url=f"{identity_provider.url}/device",
            token_url=identity_provider.token_url,
            client_id=CLIENT_ID,
            scope="openid",
            sleep=time.sleep,
            clock=time.clock,
        )

    return login


def device_code(**fields: object) -> DeviceCode:
    values: dict[str, object] = {
        "device_code": "device-secret-1",
        "user_code": "ABCD-EFGH",
        "verification_uri": "https://auth.example.org/activate",
    }
    return DeviceCode.model_validate(values | fields)


class TestDeviceLogin:
    async def test_it_waits_for_the_person(
        self, login: Login, identity_provider: IdentityProvider, time: Time
    ) -> None:
        identity_provider.device_answers.extend(
            ["authorization_pending", "authorization_pending", "granted"]
        )
        tokens = await login()

        assert tokens.access_token is not None
        assert time.pauses == [5, 5, 5]

    async def test_it_shows_the_address_and_the_code(
        self, login: Login, identity_provider: IdentityProvider, prompt: ScriptedPrompt
    ) -> None:
        identity_provider.device_answers.append("granted")
        await login()

        shown = "\n".join(prompt.shown)
        assert f"{identity_provider.url}/activate?user_code=ABCD-EFGH" in shown
        assert "    ABCD-EFGH\n" in shown
        assert "device-secret-1" not in shown

    async def test_slow_down_lengthens_the_pauses_for_good(
        self, login: Login, identity_provider: IdentityProvider, time: Time
    ) -> None:
        identity_provider.device_answers.extend(
            ["slow_down", "authorization_pending", "slow_down", "granted"]
        )
        await login()

        assert time.pauses == [5, 10, 10, 15]

    @pytest.mark.parametrize(("interval", "pause"), [("3", 3), (2.5, 2.5), (None, 5), ("?", 5)])
    async def test_the_interval_is_the_servers(
        self,
        login: Login,
        identity_provider: IdentityProvider,
        time: Time,
        interval: object,
        pause: float,
    ) -> None:
        identity_provider.device_interval = interval
        identity_provider.device_answers.append("granted")
        await login()

        assert time.pauses == [pause]

    @pytest.mark.parametrize(
        ("answer", "told"),
        [
            ("access_denied", "refused in the browser"),
            ("expired_token", "expired before it was used"),
            ("unauthorized_client", "unauthorized_client"),
        ],
    )
    async def test_final_answers_end_it(
        self, login: Login, identity_provider: IdentityProvider, answer: str, told: str
    ) -> None:
        identity_provider.device_answers.append(answer)

        with pytest.raises(LoginRequired, match=told) as caught:
            await login()
        assert caught.value.code == answer

    async def test_it_ends_when_the_code_has_expired(
        self, login: Login, identity_provider: IdentityProvider, time: Time
    ) -> None:
        identity_provider.device_interval = 250
        identity_provider.device_answers.extend(["authorization_pending"] * 3)

        with pytest.raises(LoginRequired, match="within 600 seconds"):
            await login()
        assert time.pauses == [250, 250, 100]

    async def test_failures_on_the_way_are_sat_out(
        self, login: Login, identity_provider: IdentityProvider
    ) -> None:
        identity_provider.faults.extend([Fault(502, b"<html>", "text/html"), Fault(503)])
        identity_provider.device_answers.append("granted")

        assert (await login()).access_token is not None

    async def test_pending_may_come_with_status_200(
        self, login: Login, identity_provider: IdentityProvider
    ) -> None:
        identity_provider.faults.append(Fault(200, b'{"error": "authorization_pending"}'))
        identity_provider.device_answers.append("granted")

        assert (await login()).access_token is not None

    async def test_a_grant_without_a_token_is_no_login(
        self, login: Login, identity_provider: IdentityProvider
    ) -> None:
        identity_provider.faults.append(Fault(200, b"{}"))

        with pytest.raises(UpstreamProtocol, match="without an access token"):
            await login()

    @pytest.mark.parametrize(
        ("status", "body", "told"),
        [
            (404, "", r"HTTP 404 \(empty body\)"),
            (400, '{"error": "invalid_scope"}', "invalid_scope"),
            (200, "{}", "malformed: device_code, user_code"),
        ],
    )
    async def test_a_login_that_cannot_start(
        self, prompt: ScriptedPrompt, status: int, body: str, told: str
    ) -> None:
        transport = httpx.MockTransport(lambda request: httpx.Response(status, text=body))
        async with httpx.AsyncClient(transport=transport) as http:
            with pytest.raises(GatewayError, match=told):
                await device_login(
                    prompt,
                    http,
                    device_url="https://auth.example.org/device",
                    token_url="https://auth.example.org/token",
                    client_id=CLIENT_ID,
                )


class TestShowing:
    @pytest.mark.parametrize(
        "address",
        [
            "http://auth.example.org/activate",
            "https://example.org.attacker.example/",
            "https://notexample.org/",
            "https://auth.example.org/\x1b[2J",
            "javascript:alert(1)",
            "https://example.org@attacker.example/",
        ],
    )
    def test_a_strange_address_is_not_shown(self, prompt: ScriptedPrompt, address: str) -> None:
        code = device_code(verification_uri=address)

        with pytest.raises(UpstreamProtocol, match="strange address"):
            show_device_code(prompt, code, hosts=("example.org",))
        assert (prompt.shown, prompt.opened.empty()) == ([], True)

    def test_a_subdomain_is_as_good(self, prompt: ScriptedPrompt) -> None:
        show_device_code(prompt, device_code(), hosts=("example.org",))

        assert prompt.opened.get_nowait() == "https://auth.example.org/activate"

    def test_without_an_address_there_is_nothing_to_do(self, prompt: ScriptedPrompt) -> None:
        with pytest.raises(UpstreamProtocol, match="no address"):
            show_device_code(prompt, device_code(verification_uri=""))

    @pytest.mark.parametrize("user_code", ["\x1b[2JABCD", "", "A" * 65])
    def test_a_code_that_could_harm_a_terminal_is_refused(self, user_code: str) -> None:
        with pytest.raises(ValidationError):
            device_code(user_code=user_code)

    def test_camel_case_is_understood(self) -> None:
        code = DeviceCode.model_validate(
            {"deviceCode": "d", "userCode": "AB", "verificationUri": "https://x", "expiresIn": "9"}
        )

        assert (code.user_code, code.expires_in) == ("AB", 9)


class TestPoll:
    """For vendors whose pending is a 404, or a body, or anything else."""

    async def outcome(self, time: Time, *answers: object, **options: float | None) -> object:
        script = iter(answers)

        async def attempt() -> object:
            answer = next(script)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return await poll(
            attempt,
            sleep=time.sleep,
            clock=time.clock,
            **options,  # type: ignore[arg-type]
        )

    async def test_it_returns_what_is_not_pending(self, time: Time) -> None:
        assert await self.outcome(time, Pending(), Pending(), "done") == "done"

    async def test_pauses_can_grow_up_to_a_limit(self, time: Time) -> None:
        await self.outcome(time, *[Pending()] * 4, "done", interval=1.0, growth=2.0, longest=5.0)

        assert time.pauses == [1, 2, 4, 5, 5]

    async def test_a_server_that_asks_for_a_pause_gets_it_once(self, time: Time) -> None:
        await self.outcome(time, Pending(wait=30), Pending(), "done", interval=1.0)

        assert time.pauses == [1, 30, 1]

    async def test_a_rate_limit_is_a_request_to_slow_down(self, time: Time) -> None:
        await self.outcome(time, RateLimited("slow", retry_after=20), Pending(), "done")

        assert time.pauses == [5, 20, 10]

    async def test_patience_with_failures_in_a_row_is_limited(self, time: Time) -> None:
        failure = UpstreamFailed("down")

        with pytest.raises(UpstreamFailed):
            await self.outcome(time, failure, Pending(), failure, failure, failure, patience=2)
        assert len(time.pauses) == 5

    async def test_other_errors_end_it(self, time: Time) -> None:
        with pytest.raises(LoginRequired, match="policy"):
            await self.outcome(time, LoginRequired("forbidden by policy"))

    async def test_time_runs_out(self, time: Time) -> None:
        with pytest.raises(LoginRequired, match="within 12 seconds") as caught:
            await self.outcome(time, *[Pending()] * 9, timeout=12.0)
        assert caught.value.code == "expired_token"
        assert time.now == 12
