"""HTTP as plugins see it: proxies of the environment, redirects, and errors in our terms."""

import httpx
import pytest

from gateway_core.errors import (
    GatewayError,
    Internal,
    RateLimited,
    UpstreamFailed,
    UpstreamProtocol,
    UpstreamTimeout,
)
from gateway_core.http import Transport
from gateway_core.http_errors import map_httpx_error, translate_http_errors
from gateway_core.provider import UpstreamCall
from support.raw_upstream import Serve, read, whole


@pytest.fixture
def proxy_from_environment(monkeypatch: pytest.MonkeyPatch, closed_port: int) -> int:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port}")
    return closed_port


async def test_the_environments_proxy_is_used(
    transport: Transport, proxy_from_environment: int
) -> None:
    with pytest.raises(UpstreamFailed, match=r"proxy in front of model\.test"):
        await read(transport, UpstreamCall("POST", "http://model.test/", {}))
    with pytest.raises(httpx.ConnectError):
        await transport.http.get("http://model.test/")


async def test_loopback_is_called_without_proxy(
    transport: Transport, serve: Serve, proxy_from_environment: int
) -> None:
    upstream = await serve(whole(b"direct"))
    assert await read(transport, upstream.call()) == b"direct"
    assert (await transport.http.get(upstream.call().url)).text == "direct"


async def test_a_proxy_that_is_not_supported_is_named(
    transport: Transport, proxy_from_environment: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
    with pytest.raises(UpstreamFailed, match="asks for a socks5 proxy"):
        await read(transport, UpstreamCall("POST", "http://model.test/", {}))


async def test_what_plugins_see_does_not_follow_redirects(
    transport: Transport, serve: Serve
) -> None:
    upstream = await serve(b"HTTP/1.1 302 Away\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n")
    assert (await transport.http.get(upstream.call().url)).status_code == 302
    assert len(upstream.requests) == 1


async def test_httpx_errors_of_plugins_become_ours(transport: Transport, closed_port: int) -> None:
    with (
        pytest.raises(UpstreamFailed, match=f"Codex .127.0.0.1:{closed_port}.") as caught,
        translate_http_errors("Codex"),
    ):
        await transport.http.get(f"http://127.0.0.1:{closed_port}/path?token=secret")
    assert "secret" not in caught.value.message


async def test_other_errors_of_plugins_pass() -> None:
    with pytest.raises(KeyError), translate_http_errors("Codex"):
        raise KeyError("access_token")


REQUEST = httpx.Request("GET", "https://model.test/path?token=secret")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (httpx.ConnectTimeout("", request=REQUEST), UpstreamTimeout),
        (httpx.ReadTimeout("", request=REQUEST), UpstreamTimeout),
        (httpx.ReadError("", request=REQUEST), UpstreamFailed),
        (httpx.RemoteProtocolError("", request=REQUEST), UpstreamFailed),
        (httpx.DecodingError("", request=REQUEST), UpstreamProtocol),
        (httpx.UnsupportedProtocol("", request=REQUEST), Internal),
        (httpx.InvalidURL(""), Internal),
        (httpx.ReadError("without a request"), UpstreamFailed),
        (
            httpx.HTTPStatusError("", request=REQUEST, response=httpx.Response(429)),
            RateLimited,
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_each_httpx_error_has_a_kind(
    error: httpx.HTTPError | httpx.InvalidURL, expected: type[GatewayError]
) -> None:
    mapped = map_httpx_error(error, "Codex")
    assert type(mapped) is expected
    assert "Codex" in mapped.message
    assert "secret" not in repr(mapped)
