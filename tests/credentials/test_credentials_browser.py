"""Login in a browser; the test is the browser, and sometimes the person who pastes."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from gateway_core.credentials.browser import PasteRejected, browser_login, parse_pasted
from gateway_core.credentials.callback import Callback, LoopbackCallback
from gateway_core.credentials.oauth import authorize_url, exchange_code, pkce_pair
from gateway_core.errors import LoginRequired
from support.identity_provider import CLIENT_ID, IdentityProvider
from support.login_prompt import ScriptedPrompt

STATE = "state-of-this-attempt"


@pytest.fixture
def listener() -> LoopbackCallback:
    """Not yet listening; takes any free port."""
    return LoopbackCallback(ports=(0,), state=STATE)


@pytest.fixture
async def listening(listener: LoopbackCallback) -> AsyncIterator[LoopbackCallback]:
    async with listener:
        yield listener


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def port_taken_on_ipv6() -> Iterator[int]:
    """Skips where there is no IPv6 loopback."""
    try:
        server = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 loopback here")
    with server:
        yield server.getsockname()[1]


def plain_url(redirect_uri: str) -> str:
    return f"https://auth.example.org/authorize?redirect_uri={redirect_uri}"


async def redirect_of(prompt: ScriptedPrompt) -> str:
    """Where the opened page will send the browser."""
    return parse_qs(urlsplit(await prompt.opened.get()).query)["redirect_uri"][0]


class TestListener:
    async def test_it_returns_what_the_browser_brings(
        self, listening: LoopbackCallback, http: httpx.AsyncClient
    ) -> None:
        response = await http.get(
            listening.redirect_uri, params={"code": "c", "state": STATE, "login_option": "google"}
        )
        callback = await listening.wait()

        assert (response.status_code, callback.code, callback.path) == (200, "c", "/callback")
        assert callback.query["login_option"] == "google"
        assert "Logged in" in response.text

    async def test_its_pages_close_the_connection_and_are_not_kept(
        self, listening: LoopbackCallback, http: httpx.AsyncClient
    ) -> None:
        response = await http.get(listening.redirect_uri, params={"code": "c", "state": STATE})

        assert response.headers["connection"] == "close"
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["referrer-policy"] == "no-referrer"

    @pytest.mark.parametrize("query", [{"code": "c", "state": "other"}, {"code": "c"}, {}])
    async def test_another_attempts_state_changes_nothing(
        self, listening: LoopbackCallback, http: httpx.AsyncClient, query: dict[str, str]
    ) -> None:
        stray = await http.get(listening.redirect_uri, params=query)
        await http.get(listening.redirect_uri, params={"code": "right", "state": STATE})

        assert stray.status_code == 400
        assert (await listening.wait()).code == "right"

    async def test_an_answer_without_a_code_changes_nothing(
        self, listening: LoopbackCallback, http: httpx.AsyncClient
    ) -> None:
        response = await http.get(listening.redirect_uri, params={"state": STATE})

        assert (response.status_code, "lacks its code" in response.text) == (400, True)

    async def test_a_portal_may_end_without_a_code(self, http: httpx.AsyncClient) -> None:
        portal = LoopbackCallback(
            ports=(0,),
            state=STATE,
            paths=("/oauth/callback", "/signin/callback"),
            accept=lambda query: "code" in query or query.get("login_option") == "awsidc",
        )
        async with portal as listening:
            await http.get(
                f"{listening.origin}/signin/callback",
                params={"login_option": "awsidc", "state": STATE},
            )
            callback = await listening.wait()

        assert (callback.path, callback.code) == ("/signin/callback", None)

    async def test_a_refusal_is_raised_and_shown_as_text(
        self, listening: LoopbackCallback, http: httpx.AsyncClient
    ) -> None:
        response = await http.get(
            listening.redirect_uri,
            params={
                "error": "access_denied",
                "error_description": "<b>No</b>\x1b[2J",
                "state": STATE,
            },
        )

        with pytest.raises(LoginRequired) as caught:
            await listening.wait()
        assert caught.value == LoginRequired(
            "the provider declined the login (access_denied: <b>No</b>[2J)", code="access_denied"
        )
        assert "&lt;b&gt;No&lt;/b&gt;" in response.text

    async def test_a_second_answer_is_too_late(
        self, listening: LoopbackCallback, http: httpx.AsyncClient
    ) -> None:
        for code in ("first", "second"):
            await http.get(listening.redirect_uri, params={"code": code, "state": STATE})

        assert (await listening.wait()).code == "first"

    @pytest.mark.parametrize(
        ("method", "path", "headers", "status"),
        [
            ("GET", "/favicon.ico", {}, 404),
            ("GET", "/callback/more", {}, 404),
            ("POST", "/callback", {}, 405),
            ("HEAD", "/callback", {}, 405),
            ("OPTIONS", "/callback", {}, 405),
            ("GET", "/callback", {"host": "attacker.example"}, 400),
            ("GET", "/callback", {"host": "localhost:1"}, 400),
        ],
    )
    async def test_other_requests_are_turned_away(
        self,
        listening: LoopbackCallback,
        http: httpx.AsyncClient,
        method: str,
        path: str,
        headers: dict[str, str],
        status: int,
    ) -> None:
        url = f"{listening.origin}{path}?code=c&state={STATE}"
        response = await http.request(method, url, headers=headers)

        assert response.status_code == status

    async def test_a_page_that_calls_by_script_passes_its_preflight(
        self, http: httpx.AsyncClient
    ) -> None:
        page = "https://accounts.example.org"
        async with LoopbackCallback(ports=(0,), state=STATE, allow_origin=page) as listening:
            response = await http.options(listening.redirect_uri)

        assert response.status_code == 204
        assert response.headers["access-control-allow-origin"] == page
        assert response.headers["access-control-allow-private-network"] == "true"

    @pytest.mark.parametrize(
        "noise", [b"", b"\x16\x03\x01\x02\x00", b"GET /callback", b"GET //[ HTTP/1.1\r\n\r\n"]
    )
    async def test_noise_and_idle_sockets_do_not_disturb(
        self, listening: LoopbackCallback, http: httpx.AsyncClient, noise: bytes
    ) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", listening.port)
        writer.write(noise)
        await http.get(listening.redirect_uri, params={"code": "c", "state": STATE})

        assert (await listening.wait()).code == "c"
        writer.close()

    async def test_leaving_ends_idle_connections(self, listener: LoopbackCallback) -> None:
        async with listener:
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)

        assert await reader.read() == b""
        writer.close()

    async def test_a_taken_port_makes_way_for_the_next(self, taken_port: int) -> None:
        async with LoopbackCallback(ports=(taken_port, 0), state=STATE) as listening:
            assert listening.port not in (taken_port, 0)

    async def test_a_port_that_another_has_on_ipv6_is_not_shared(
        self, port_taken_on_ipv6: int
    ) -> None:
        async with LoopbackCallback(ports=(port_taken_on_ipv6, 0), state=STATE) as listening:
            assert listening.port != port_taken_on_ipv6

    @pytest.mark.usefixtures("port_taken_on_ipv6")
    async def test_a_browser_may_come_by_ipv6(
        self, listening: LoopbackCallback, http: httpx.AsyncClient
    ) -> None:
        url = f"http://[::1]:{listening.port}/callback"
        await http.get(url, params={"code": "c", "state": STATE})

        assert (await listening.wait()).code == "c"

    async def test_without_any_port_it_says_which_were_tried(self, taken_port: int) -> None:
        with pytest.raises(OSError, match=str(taken_port)):
            await LoopbackCallback(ports=(taken_port,), state=STATE).__aenter__()

    async def test_the_redirect_uri_names_the_host_that_the_provider_knows(self) -> None:
        listener = LoopbackCallback(
            ports=(0,), state=STATE, host="localhost", paths=("/auth/callback",)
        )
        async with listener as listening:
            assert listening.redirect_uri == f"http://localhost:{listening.port}/auth/callback"


class TestPasting:
    @pytest.mark.parametrize(
        "text",
        [
            f"http://localhost:1455/callback?code=c0de&state={STATE}",
            f"localhost:1455/callback?code=c0de&state={STATE}",
            f"http://localhost:1455/callback?state={STATE}&code=c0de#",
            "http://localhost:1455/callback?code=c0de",
            f"/callback?code=c0de&state={STATE}",
            f"https://auth.example.org/callback#code=c0de&state={STATE}",
            f"?code=c0de&state={STATE}",
            f"code=c0de&state={STATE}",
            f"state={STATE}&code=c0de",
            "code=c0de",
            f"c0de#{STATE}",
            "c0de",
            "  c0de \n",
            f"'http://localhost:1455/call\n  back?code=c0de&state={STATE}'",
            f"<http://localhost:1455/callback?code=c0de&state={STATE}>",
        ],
    )
    def test_every_form_of_the_answer_is_understood(self, text: str) -> None:
        assert parse_pasted(text, STATE).code == "c0de"

    @pytest.mark.parametrize("code", ["4/0AX4-abc", "abc==", "a.b~c_d-e", "ac_%2B"])
    def test_a_bare_code_is_left_as_it_is(self, code: str) -> None:
        assert parse_pasted(code, STATE).code == code

    def test_path_and_further_members_are_kept(self) -> None:
        callback = parse_pasted(
            f"localhost:3128/oauth/callback?login_option=google&code=c&state={STATE}", STATE
        )

        assert (callback.path, callback.query["login_option"]) == ("/oauth/callback", "google")

    @pytest.mark.parametrize(
        "text",
        [
            "http://localhost:1455/callback?code=c0de&state=other",
            "code=c0de&state=other",
            "c0de#other",
        ],
    )
    def test_another_attempts_state_is_explained(self, text: str) -> None:
        with pytest.raises(PasteRejected, match=r"another login attempt; open the fresh URL"):
            parse_pasted(text, STATE)

    @pytest.mark.parametrize(
        "text",
        [
            "https://accounts.example.org/oauth2/consent?client_id=app",
            "https://accounts.example.org",
            f"http://localhost:1455/callback?state={STATE}",
            "http://[oops/?code=c",
            "",
            " \n",
        ],
    )
    def test_what_holds_no_code_may_be_pasted_again(self, text: str) -> None:
        with pytest.raises(PasteRejected):
            parse_pasted(text, STATE)

    def test_a_refusal_ends_the_login(self) -> None:
        with pytest.raises(LoginRequired, match="access_denied"):
            parse_pasted("http://localhost:1455/callback?error=access_denied", STATE)


class TestLogin:
    async def test_from_browser_to_tokens(
        self,
        listener: LoopbackCallback,
        identity_provider: IdentityProvider,
        http: httpx.AsyncClient,
    ) -> None:
        prompt, pair = ScriptedPrompt(), pkce_pair()

        def authorize(redirect_uri: str) -> str:
            return authorize_url(
                f"{identity_provider.url}/authorize",
                client_id=CLIENT_ID,
                redirect_uri=redirect_uri,
                state=STATE,
                challenge=pair.challenge,
            )

        login = asyncio.create_task(browser_login(prompt, listener, authorize))
        page = await http.get(await prompt.opened.get(), follow_redirects=True)
        callback = await login
        tokens = await exchange_code(
            http,
            identity_provider.token_url,
            client_id=CLIENT_ID,
            code=callback.code or "",
            redirect_uri=listener.redirect_uri,
            verifier=pair.verifier,
        )

        assert "Logged in" in page.text
        assert tokens.access_token is not None

    async def test_when_the_browser_wins_the_question_is_taken_back(
        self, listener: LoopbackCallback, http: httpx.AsyncClient
    ) -> None:
        prompt = ScriptedPrompt()
        login = asyncio.create_task(browser_login(prompt, listener, plain_url))
        await prompt.waiting.wait()
        await http.get(await redirect_of(prompt), params={"code": "c", "state": STATE})

        assert (await login).code == "c"
        assert prompt.given_up

    async def test_when_pasting_wins_the_listener_goes(
        self, listener: LoopbackCallback, http: httpx.AsyncClient
    ) -> None:
        prompt = ScriptedPrompt(f"http://localhost:1/callback?code=pasted&state={STATE}")

        assert (await browser_login(prompt, listener, plain_url)).code == "pasted"
        with pytest.raises(httpx.ConnectError):
            await http.get(listener.redirect_uri)

    async def test_a_bad_paste_is_explained_and_asked_again(
        self, listener: LoopbackCallback
    ) -> None:
        prompt = ScriptedPrompt("code=c&state=other", "", "https://consent.example.org/", "right")

        assert (await browser_login(prompt, listener, plain_url)).code == "right"
        assert "this link is from another login attempt" in prompt.shown[1]
        assert "there is no code in it" in prompt.shown[2]

    async def test_a_browser_from_another_attempt_is_explained_once(
        self, listener: LoopbackCallback, http: httpx.AsyncClient
    ) -> None:
        prompt = ScriptedPrompt()
        login = asyncio.create_task(browser_login(prompt, listener, plain_url))
        url = await redirect_of(prompt)
        for state in ("old", "older", STATE):
            await http.get(url, params={"code": "c", "state": state})
        await login

        assert sum("another login attempt" in message for message in prompt.shown) == 1

    async def test_a_refusal_in_the_browser_ends_the_login(
        self,
        listener: LoopbackCallback,
        identity_provider: IdentityProvider,
        http: httpx.AsyncClient,
    ) -> None:
        identity_provider.deny = "access_denied"
        prompt = ScriptedPrompt()

        def authorize(redirect_uri: str) -> str:
            return authorize_url(
                f"{identity_provider.url}/authorize",
                client_id=CLIENT_ID,
                redirect_uri=redirect_uri,
                state=STATE,
                challenge="c",
            )

        login = asyncio.create_task(browser_login(prompt, listener, authorize))
        await http.get(await prompt.opened.get(), follow_redirects=True)

        with pytest.raises(LoginRequired, match="The user said no"):
            await login
        assert prompt.given_up

    async def test_without_a_browser_the_url_is_shown(self, listener: LoopbackCallback) -> None:
        prompt = ScriptedPrompt("c0de", has_browser=False)
        await browser_login(prompt, listener, plain_url)

        assert await prompt.opened.get() in prompt.shown[0]

    async def test_without_a_free_port_pasting_remains(self, taken_port: int) -> None:
        prompt = ScriptedPrompt("c0de")
        listener = LoopbackCallback(ports=(taken_port,), state=STATE)

        assert (await browser_login(prompt, listener, plain_url)).code == "c0de"
        assert str(taken_port) in prompt.shown[0]
        assert await redirect_of(prompt) == f"http://127.0.0.1:{taken_port}/callback"

    async def test_without_a_terminal_the_listener_remains(
        self, listener: LoopbackCallback, http: httpx.AsyncClient
    ) -> None:
        prompt = ScriptedPrompt(has_terminal=False)
        login = asyncio.create_task(browser_login(prompt, listener, plain_url))
        await http.get(await redirect_of(prompt), params={"code": "c", "state": STATE})

        assert (await login).code == "c"

    async def test_with_neither_it_cannot_go_on(self, listener: LoopbackCallback) -> None:
        prompt = ScriptedPrompt(has_terminal=False)

        with pytest.raises(LoginRequired, match="no terminal to paste into"):
            await browser_login(prompt, listener, plain_url, listen=False)

    async def test_it_does_not_wait_for_ever(self, listener: LoopbackCallback) -> None:
        prompt = ScriptedPrompt()

        with pytest.raises(LoginRequired, match=r"within 0\.01 seconds"):
            await browser_login(prompt, listener, plain_url, timeout=0.01)
        assert prompt.given_up

    async def test_cancelling_the_login_leaves_nothing_behind(
        self, listener: LoopbackCallback, http: httpx.AsyncClient
    ) -> None:
        prompt = ScriptedPrompt()
        login = asyncio.create_task(browser_login(prompt, listener, plain_url))
        await prompt.waiting.wait()
        login.cancel()
        with pytest.raises(asyncio.CancelledError):
            await login

        assert prompt.given_up
        with pytest.raises(httpx.ConnectError):
            await http.get(listener.redirect_uri)


def test_a_callback_does_not_show_its_code() -> None:
    assert repr(Callback("/callback", {"code": "c0de"})) == "Callback(path='/callback')"
