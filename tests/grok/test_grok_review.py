"""What must hold at the edges: ids, addresses and fields that nobody sends in good faith, a file
that another program writes, and memories that grow old.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway_core import Credential, InvalidRequest, JsonObject, LoginRequired
from gateway_core.credentials.manager import CredentialManager
from gateway_core.credentials.store import MemoryStore
from gateway_core.errors import NotFound
from gateway_core.formats import responses
from gateway_grok.discovery import is_trusted
from gateway_grok.login import CLIENT_ID
from gateway_grok.plugin import GrokProvider
from gateway_grok.settings import GrokSettings
from support.about import each
from support.grok_asking import CREDENTIAL, asked, translated

SETTINGS = GrokSettings()


@each(
    "address",
    [
        "https://evil.example\\.x.ai/oauth2/authorize",  # a browser reads `\` as `/`
        "https://evil.example%2f.x.ai/oauth2/authorize",
        "https://evil.example;.x.ai/",
        "https://x.ai@evil.example/",
        "https://x.ai.evil.example/",
        "https://evilx.ai/",
    ],
)
def test_an_address_that_programs_read_in_different_ways_is_not_trusted(address: str) -> None:
    assert not is_trusted(address, SETTINGS)


@each(
    "id",
    [
        *("..", ".", "...", ""),
        *("../models", "a/b", "a/../b", "/", "\\", "a\\b", "%2e%2e", "%2F", "a%00"),
        *("a?b=c", "a#b", "a;b", "a b", " ", "a\n", "\x00"),
        *("ä", "\ud800", "\uff0e\uff0e", "\u2025", "\uff0e\uff0e\uff0fmodels"),
        *("x" * 257, "x" * 100_000),
    ],
)
@each("action", ["retrieve", "delete"])
async def test_an_id_never_leads_out_of_the_responses(id: str, action: Any) -> None:
    def nobody(request: httpx.Request) -> httpx.Response:
        raise AssertionError(f"{request.method} {request.url} was asked")

    async with httpx.AsyncClient(transport=httpx.MockTransport(nobody)) as http:
        with pytest.raises(NotFound):
            await GrokProvider().gateway_stored_response(action, id, CREDENTIAL, http, SETTINGS)


def sent(model: str = "grok-4.5", **fields: object) -> JsonObject:
    """The body for a request of the Responses API with these fields."""
    request = responses.FORMAT.read_request({"model": model, "input": "Hello", **fields}, {})
    return asked(request, model)


def test_what_is_included_is_a_list_of_words() -> None:
    body = sent(include=[["x"], {}, 7, "no_inline_citations"])
    assert body["include"] == ["reasoning.encrypted_content", "no_inline_citations"]


@each("name", [{}, [], 7, None, ""])
def test_a_tool_inside_of_the_input_needs_a_name(name: object) -> None:
    added = {"type": "additional_tools", "tools": [{"type": "function", "name": name}]}
    with pytest.raises(InvalidRequest, match="name"):
        sent(input=[added, {"role": "user", "content": "Hello"}])


@pytest.mark.parametrize("size", ["9" * 400 + "x1", "9" * 5000 + "x1", "1x" + "9" * 5000])
def test_a_size_beyond_all_pictures_leaves_the_ratio_to_the_model(size: str) -> None:
    tool = {"type": "image_generation", "size": size}
    body = sent(tools=[tool], tool_choice={"type": "image_generation"})
    assert "aspect_ratio" not in body


@each(
    "search, name",
    [
        ({"allowed_domains": "example.org"}, "allowed_domains"),
        ({"excluded_domains": "example.org"}, "excluded_domains"),
        ({"filters": {"allowed_domains": "example.org"}}, "filters.allowed_domains"),
        ({"filters": {"allowed_domains": {}}}, "filters.allowed_domains"),
        ({"filters": {"blocked_domains": 7}}, "filters.blocked_domains"),
        ({"filters": {"excluded_domains": "example.org"}}, "filters.excluded_domains"),
        ({"filters": ["example.org"]}, "filters: expected an object"),
    ],
)
def test_a_search_is_never_wider_than_it_was_meant(search: JsonObject, name: str) -> None:
    with pytest.raises(InvalidRequest, match=name) as caught:
        sent(tools=[{"type": "web_search", **search}])
    assert caught.value.param == "tools"


@each("filters", [None, {}, {"allowed_domains": None}, {"allowed_domains": []}])
def test_a_search_without_domains_is_meant_to_be_wide(filters: JsonObject | None) -> None:
    assert sent(tools=[{"type": "web_search", "filters": filters}])["tools"] == [
        {"type": "web_search"}
    ]


@pytest.mark.parametrize("model", ["grok-9\n", "a\rb: c", "grök"])
def test_a_model_name_that_fits_no_header_is_in_none(model: str) -> None:
    request = responses.FORMAT.read_request({"model": model, "input": "Hello"}, {})
    call = translated(request, model)
    assert all(value.isascii() and value.isprintable() for value in call.headers.values())


def test_a_claimed_name_has_no_line_end() -> None:
    assert GrokProvider().gateway_claim("grok-9\n", SETTINGS) is None


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 8, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def write_login(file: Path, token: str) -> None:
    """What Grok's CLI does at a login or refresh; the token ends an hour later."""
    entry = {
        "key": token,
        "user_id": "u-5c1",
        "refresh_token": "rt-1",
        "expires_at": "2026-08-01T13:00:00Z",
    }
    file.write_text(json.dumps({f"https://auth.x.ai::{CLIENT_ID}": entry}))


@pytest.mark.parametrize("content", [None, "{", "{}"], ids=["gone", "half written", "logged out"])
async def test_an_imported_login_is_served_again_once_its_owner_has_one(
    content: str | None, tmp_path: Path, http: httpx.AsyncClient
) -> None:
    file, clock, provider = tmp_path / "auth.json", Clock(), GrokProvider()
    write_login(file, "access-1")
    credential = provider.gateway_import(file)

    async def refresh(credential: Credential) -> Credential:
        return await provider.gateway_refresh(credential, http, SETTINGS)

    store = MemoryStore(credential)
    async with CredentialManager(store, refresh, tmp_path / "locks", clock=clock) as manager:
        file.unlink() if content is None else file.write_text(content)
        with pytest.raises(Exception, match="gateway login grok") as caught:
            await manager.refreshed(credential)
        assert not isinstance(caught.value, LoginRequired)
        write_login(file, "access-2")
        clock.now += timedelta(minutes=1)
        fresh = await manager.refreshed(credential)
    assert fresh.access_token.get_secret_value() == "access-2"
