"""A provider with two accounts: `/v1/accounts`, and a running gateway that follows a switch."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from dirty_equals import IsStr

from gateway_core.credentials.file_store import FileStore
from gateway_core.json import JsonObject
from support.about import about
from support.command import GatewayCommand
from support.dialects import CHAT
from support.line_http import LineHttpProvider, credential
from support.server import Gateway, running_gateway
from support.turns import ask, begun, read_rest
from support.upstream import ScriptedUpstream, chunks

HELLO = chunks(b"hello\n.\n")


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    """Logins of anna and bob; anna, the first, serves."""
    store = FileStore(tmp_path / "credentials")
    for name in ("anna", "bob"):
        named = {"account": f"id-of-{name}", "label": f"{name}@lines.test"}
        store.put(credential(f"token-of-{name}").model_copy(update=named))
    return store


@pytest.fixture
async def gateway(
    upstream: ScriptedUpstream, store: FileStore, tmp_path: Path
) -> AsyncIterator[Gateway]:
    lines = LineHttpProvider(upstream.url, login="key")
    running = running_gateway(tmp_path, extra_plugins=[lines], store=store)
    gateway = running.__enter__()
    yield gateway
    # Stopping waits for connections, of which this loop holds the other end.
    await asyncio.to_thread(running.__exit__, None, None, None)


@pytest.fixture
async def http(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway.async_http() as client:
        yield client


async def switch(http: httpx.AsyncClient, account: str) -> httpx.Response:
    return await http.post("/v1/accounts/active", json={"provider": "lines", "account": account})


def account_facts(name: str, *, active: bool) -> JsonObject:
    return {
        "provider": "lines",
        "title": "Lines",
        "account_id": f"id-of-{name}",
        "label": f"{name}@lines.test",
        "email": f"{name}@lines.test",
        "active": active,
        "token": {
            "expires_at": "2126-01-01T00:00:00+00:00",
            "expires_at_local": IsStr(),
            "remaining_seconds": pytest.approx(3.15e9, rel=0.1),
        },
    }


async def test_accounts_are_told_without_secrets(http: httpx.AsyncClient) -> None:
    answer = await http.get("/v1/accounts")
    assert answer.json() == {
        "store": "file",
        "accounts": [account_facts("anna", active=True), account_facts("bob", active=False)],
    }
    assert "token-of" not in answer.text
    assert (await http.get("/v1/accounts", params={"provider": "lines"})).json() == answer.json()


async def test_the_account_that_was_chosen_serves_the_next_turn(
    http: httpx.AsyncClient, gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    upstream.script = [HELLO] * 2
    await ask(gateway, CHAT, stream=False)
    answer = await switch(http, "bob")
    assert (answer.status_code, answer.json()) == (200, account_facts("bob", active=True))
    await ask(gateway, CHAT, stream=False)
    asked = [request.headers["authorization"] for request in upstream.requests]
    assert asked == ["Bearer token-of-anna", "Bearer token-of-bob"]


async def test_a_running_gateway_follows_the_command_and_ends_the_turn_under_way_as_it_began(
    gateway: Gateway, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    command = GatewayCommand(tmp_path)
    async with begun(gateway, upstream, CHAT) as (request, reads):
        words = ("accounts", "use", "lines", "bob@lines.test")
        said = await asyncio.to_thread(command.spawn, *words)
        assert said.returncode == 0, said.stderr
        upstream.script = [HELLO]
        await ask(gateway, CHAT, stream=True)
        await request.send(b".\n")
        await request.finish()
        assert CHAT.success in await read_rest(reads)
    asked = [request.headers["authorization"] for request in upstream.requests]
    assert asked == ["Bearer token-of-anna", "Bearer token-of-bob"]


async def test_what_cannot_be_chosen_is_refused_in_words(
    http: httpx.AsyncClient, store: FileStore
) -> None:
    cases: list[tuple[JsonObject, int, str, str]] = [
        ({"provider": "lines", "account": "zoe"}, 404, "not_found", "no account 'zoe'"),
        ({"provider": "lines", "account": "id-"}, 400, "invalid_request_error", "bob@lines.test"),
        ({"provider": "lines"}, 400, "invalid_request_error", "account: expected a text"),
        ({"provider": 5, "account": "bob"}, 400, "invalid_request_error", "provider: expected"),
        ({"provider": "acne", "account": "bob"}, 404, "not_found", "installed: lines"),
    ]
    for body, status, code, words in cases:
        with about(body):
            answer = await http.post("/v1/accounts/active", json=body)
            error = CHAT.error(answer.content)
            assert (answer.status_code, error["code"]) == (status, code)
            assert words in error["message"]
    for key in store.list():
        store.delete(key)
    answer = await switch(http, "bob")
    assert (answer.status_code, CHAT.error(answer.content)["code"]) == (401, "login_required")


async def test_strangers_learn_and_change_nothing(gateway: Gateway) -> None:
    async with httpx.AsyncClient(base_url=gateway.url) as stranger:
        assert (await stranger.get("/v1/accounts")).status_code == 401
        assert (await switch(stranger, "bob")).status_code == 401
