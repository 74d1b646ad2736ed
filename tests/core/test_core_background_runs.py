"""Responses in the background without a server: what their providers are asked, and the room."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway_core import JsonObject, Request, load_settings
from gateway_core.background.run import pack_request, turn_request, unpack_request
from gateway_core.formats.responses import read_request
from gateway_core.json import dumps, loads_object
from gateway_core.runtime import Runtime
from gateway_core.state import StoredResponse
from support.corpus import ANSWERS
from support.scripted_provider import ScriptedProvider

BODY: JsonObject = {
    "model": "scripted-1",
    "input": "Hi",
    "instructions": "Be brief",
    "tools": [{"type": "function", "name": "look", "parameters": {"type": "object"}}],
    "metadata": {"topic": "trees"},
    "background": True,
    "stream": True,
    "store": True,
}


def request_of(**fields: Any) -> Request:
    return read_request({**BODY, **fields}, {"session-id": "s1"})


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
async def runtime(provider: ScriptedProvider, tmp_path: Path) -> AsyncIterator[Runtime]:
    """One that makes a single response at a time."""
    flags = {"plugins.enabled": "none-installed", "state.max_background": 1}
    settings = load_settings(flags, {"GATEWAY_HOME": str(tmp_path)})
    async with asyncio.timeout(10), Runtime(settings, extra_plugins=[provider]) as runtime:
        yield runtime


def test_a_request_is_the_same_after_a_restart() -> None:
    request = request_of()
    items = [{"type": "message", "role": "user", "content": "Hi"}]
    stored = StoredResponse("r", None, "scripted", "scripted-1", 1, b"{}", dumps(items))
    again = unpack_request(pack_request(request), stored)
    assert again.messages == request.messages
    assert (again.instructions, again.tools) == (request.instructions, request.tools)
    assert again.session == request.session
    assert again.source.body == {**BODY, "input": items}


def test_a_provider_is_asked_neither_to_store_nor_to_do_it_in_the_background() -> None:
    asked = turn_request(request_of())
    assert asked.session.store is False
    assert asked.source.body["store"] is False
    assert not {"background", "stream"} & set(asked.source.body)
    assert asked.source.body["metadata"] == BODY["metadata"]


async def test_one_that_is_ended_before_it_has_begun_leaves_its_room(
    runtime: Runtime, provider: ScriptedProvider
) -> None:
    provider.script = [ANSWERS["text"]]
    first, _ = await runtime.background.submit(request_of(), "req_1")
    first.cut(None)
    second, _ = await runtime.background.submit(request_of(), "req_2")
    events = [event async for batch in second.events.after(-1) for event in batch]
    assert loads_object(events[-1].data)["type"] == "response.completed"
