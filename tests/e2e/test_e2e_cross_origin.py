"""Web pages that may call, as the settings list their origin, and all others, which may not."""

from collections.abc import Iterator

import httpx
import pytest
from websockets.sync.client import connect

from gateway_core.content import Text
from gateway_core.errors import RateLimited
from gateway_core.events import Close, Delta, End, Event, Open
from support.about import about, each
from support.dialects import DIALECTS
from support.scripted_provider import ScriptedProvider
from support.server import KEY, Gateway, running_gateway

PAGE = "https://app.example"
PREFLIGHT = {"origin": PAGE, "access-control-request-method": "POST"}
SAYING: list[Event] = [Open(0, Text("")), Delta(0, "hello"), Close(0), End("stop")]


@pytest.fixture(scope="module")
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, provider: ScriptedProvider
) -> Iterator[Gateway]:
    with running_gateway(
        tmp_path_factory.mktemp("home"),
        extra_plugins=[provider],
        settings={"server.allowed_origins": ["https://APP.example/", "http://other.example:8080"]},
    ) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def http(gateway: Gateway) -> Iterator[httpx.Client]:
    """A client with the key."""
    with gateway.http() as client:
        yield client


@pytest.fixture(scope="module")
def stranger(gateway: Gateway) -> Iterator[httpx.Client]:
    """A client without the key."""
    with httpx.Client(base_url=gateway.url) as client:
        yield client


def cors(response: httpx.Response) -> dict[str, str]:
    """What the answer says about pages."""
    told = {name: value for name, value in response.headers.items() if name.startswith("access-")}
    return told | ({"vary": response.headers["vary"]} if "vary" in response.headers else {})


@each("path", [*(dialect.path for dialect in DIALECTS), "/v1/models", "/nowhere"])
def test_the_browser_may_ask_first_without_the_key(stranger: httpx.Client, path: str) -> None:
    asked = {"access-control-request-headers": "x-api-key,content-type , anthropic-version"}
    response = stranger.options(path, headers=PREFLIGHT | asked)
    assert response.status_code == 204
    assert response.content == b""
    assert cors(response) == {
        "access-control-allow-origin": PAGE,
        "access-control-allow-methods": "GET, HEAD, POST, DELETE",
        "access-control-allow-headers": "x-api-key, content-type, anthropic-version",
        "access-control-max-age": "7200",
        "vary": "Origin",
    }


@each(
    "asked, allowed",
    [("", None), ("*", None), ("x-a, *, x y, ,x-b", "x-a, x-b"), ("größe, (x), *x", None)],
)
def test_only_names_of_headers_are_said_again(
    stranger: httpx.Client, asked: str, allowed: str | None
) -> None:
    headers = {**PREFLIGHT, "access-control-request-headers": asked}
    response = stranger.options("/v1/messages", headers=httpx.Headers(headers, "latin-1"))
    assert response.headers.get("access-control-allow-headers") == allowed


def test_a_page_of_the_public_web_may_reach_a_private_address(stranger: httpx.Client) -> None:
    asked = PREFLIGHT | {"access-control-request-private-network": "true"}
    told = cors(stranger.options("/v1/messages", headers=asked))
    assert told["access-control-allow-private-network"] == "true"


@pytest.mark.parametrize("stream", [False, True])
def test_the_page_reads_the_answer_and_its_headers(
    http: httpx.Client, provider: ScriptedProvider, stream: bool
) -> None:
    for dialect in DIALECTS:
        with about(dialect):
            provider.script = [SAYING]
            body = dialect.body("scripted-1", stream=stream)
            response = http.post(dialect.path, json=body, headers={"origin": PAGE})
            assert response.status_code == 200
            assert b"hello" in response.content
            told = cors(response)
            shown = told.pop("access-control-expose-headers").split(", ")
            assert told == {"access-control-allow-origin": PAGE, "vary": "Origin"}
            assert {"x-request-id", "request-id", "x-gateway-provider"} <= set(shown)
            assert not {"content-type", "server", "vary"} & set(shown)


def test_the_page_reads_what_is_wrong(
    http: httpx.Client, stranger: httpx.Client, provider: ScriptedProvider
) -> None:
    provider.script = [RateLimited("slowly", retry_after=600.0)]
    dialect, page = DIALECTS[0], {"origin": PAGE}
    answers = {
        401: stranger.get("/v1/models", headers=page),
        404: http.get("/nowhere", headers=page),
        405: http.get(dialect.path, headers=page),
        400: http.post(dialect.path, content=b"{", headers=page),
        429: http.post(dialect.path, json=dialect.body("scripted-1"), headers=page),
    }
    for status, response in answers.items():
        with about(status):
            assert response.status_code == status
            assert response.json()["error"]["message"]
            told = cors(response)
            assert told["access-control-allow-origin"] == PAGE
            assert "request-id" in told["access-control-expose-headers"]
    assert "retry-after" in cors(answers[429])["access-control-expose-headers"]


@each("page", ["http://other.example:8080", "HTTPS://app.example"])
def test_each_listed_page_is_told_its_own_origin(http: httpx.Client, page: str) -> None:
    told = cors(http.get("/v1/models", headers={"origin": page}))
    assert told["access-control-allow-origin"] == page


@each(
    "page",
    [
        "https://evil.example",
        "http://app.example",
        "https://app.example:444",
        "https://app.example.evil.example",
        "https://sub.app.example",
        "null",
        "*",
    ],
)
def test_other_pages_are_refused_and_told_nothing(http: httpx.Client, page: str) -> None:
    for response in (
        http.options("/v1/models", headers=PREFLIGHT | {"origin": page}),
        http.get("/v1/models", headers={"origin": page}),
    ):
        assert response.status_code == 403
        assert cors(response) == {}


def test_a_listed_page_under_a_strange_host_name_is_refused(stranger: httpx.Client) -> None:
    response = stranger.options("/v1/models", headers={**PREFLIGHT, "host": "evil.example"})
    assert response.status_code == 403
    assert cors(response) == {}


def test_programs_are_told_nothing_of_it(gateway: Gateway, http: httpx.Client) -> None:
    assert cors(http.get("/v1/models")) == {}
    assert cors(http.get("/v1/models", headers={"origin": gateway.url})) == {}
    assert http.options("/v1/messages").status_code == 405


def test_a_listed_page_opens_a_websocket(gateway: Gateway, provider: ScriptedProvider) -> None:
    provider.script = [SAYING]
    url = gateway.url.replace("http:", "ws:") + "/v1/responses"
    headers = {"authorization": f"Bearer {KEY}", "origin": PAGE}
    with connect(url, additional_headers=headers, proxy=None) as socket:
        socket.send('{"type": "response.create", "model": "scripted-1", "input": "hi"}')
        while "hello" not in str(socket.recv(10)):
            pass
