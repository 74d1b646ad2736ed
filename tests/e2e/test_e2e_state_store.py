"""A gateway on a plugin's state store: all that outlives an answer is there, and nowhere else."""

import asyncio
import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest

from gateway_core import JsonObject, StoredResponse, Text
from gateway_core.events import Begin, Close, Delta, End, Event, Open
from gateway_core.json import dumps
from support.batching import ended, results
from support.memory_state import MemoryStatePlugin, MemoryStore
from support.scripted_provider import ScriptedProvider
from support.server import Gateway, running_gateway

MODEL = "scripted-1"


def saying(text: str) -> list[Event]:
    return [Begin(), Open(0, Text("")), Delta(0, text), Close(0), End("stop")]


class Place:
    """Starts gateways on one memory, each in a home of its own, as on several machines."""

    def __init__(self, folder: Path) -> None:
        self.plugin = MemoryStatePlugin()
        self.provider = ScriptedProvider()
        self._folder = folder
        self._number = 0

    @contextmanager
    def gateway(self) -> Iterator[Gateway]:
        self._number += 1
        home = self._folder / f"machine-{self._number}"
        with running_gateway(
            home, extra_plugins=[self.provider, self.plugin], settings={"state.store": "memory"}
        ) as gateway:
            yield gateway

    @contextmanager
    def client(self) -> Iterator[openai.OpenAI]:
        with self.gateway() as gateway, gateway.openai() as client:
            yield client


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    yield Place(tmp_path)
    left = {path.name for path in tmp_path.rglob("*")}
    assert not left & {"gateway.sqlite3", "alive"}, "there are neither files nor locks beside it"


def test_a_stored_response_is_found_after_a_restart(place: Place) -> None:
    place.provider.script = [saying("A"), saying("B")]
    with place.client() as client:
        made = client.responses.create(model=MODEL, input="a", store=True)
    with place.client() as client:
        assert client.responses.retrieve(made.id).output_text == "A"
        again = client.responses.create(model=MODEL, input="b", previous_response_id=made.id)
    assert again.output_text == "B"
    assert len(place.provider.requests[1].messages) == 3
    assert len(place.plugin.database.responses) == 2


def test_a_response_in_the_background_is_made_and_kept(place: Place) -> None:
    place.provider.script = [saying("A")]
    with place.client() as client:
        made = client.responses.create(model=MODEL, input="a", background=True)
        while (found := client.responses.retrieve(made.id)).status in ("queued", "in_progress"):
            continue
    assert (found.status, found.output_text) == ("completed", "A")
    assert [each.run for each in place.plugin.database.responses.values()] == [None]


@pytest.mark.parametrize(("dies", "status"), [(True, "failed"), (False, "in_progress")])
def test_who_is_alive_is_the_stores_to_say(place: Place, dies: bool, status: str) -> None:
    """What a gateway elsewhere had begun is told as cut if that one is dead, and else left alone: a
    lock file would be on another machine.
    """
    place.provider.script = [saying("A")]
    with place.client() as client:
        made = client.responses.create(model=MODEL, input="a", store=True)
    elsewhere = MemoryStore(place.plugin.database)
    asyncio.run(begin(elsewhere, {**made.to_dict(), "id": "resp_cut", "status": "in_progress"}))
    if dies:
        del elsewhere
        gc.collect()
    with place.client() as client:
        assert client.responses.retrieve("resp_cut").status == status


async def begin(store: MemoryStore, body: JsonObject) -> None:
    """What a gateway does that makes a response in the background."""
    await store.presence.announce()
    stored = StoredResponse(body["id"], None, "scripted", MODEL, int(time.time()), b"{}", b"[]")
    await store.runs.begin(stored, store.presence.id, b"")
    assert await store.runs.start(body["id"], store.presence.id, dumps(body))


def test_a_batch_is_run_and_its_results_are_kept(place: Place) -> None:
    place.provider.script = [saying("one"), saying("two")]
    with place.gateway() as gateway, gateway.anthropic() as client:
        made = client.messages.batches.create(requests=[request("a"), request("b")])
        ended(client, made.id)
    with place.gateway() as gateway, gateway.anthropic() as client:
        assert sorted(results(client, made.id).values()) == ["one", "two"]


def request(id: str) -> Any:
    message = {"role": "user", "content": "Hello"}
    return {"custom_id": id, "params": {"model": MODEL, "max_tokens": 9, "messages": [message]}}


def test_what_it_cost_is_written_down_there(place: Place) -> None:
    place.provider.script = [saying("A")]
    with place.client() as client:
        client.responses.create(model=MODEL, input="a")
    [record] = place.plugin.database.usage
    assert (record.provider, record.model, record.format) == ("scripted", MODEL, "responses")
    assert record.at == pytest.approx(time.time(), abs=60)
