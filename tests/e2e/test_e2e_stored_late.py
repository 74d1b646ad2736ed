"""Answers that the store cannot take at their end, and takes later."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest

from gateway_core import Event, Text
from gateway_core.events import Begin, Close, Delta, End, Open
from support.scripted_provider import ScriptedProvider
from support.server import running_gateway

STATE_FILE = Path("state", "gateway.sqlite3")
ANSWER: list[Event] = [Begin(), Open(0, Text("")), Delta(0, "Hi"), Close(0), End("stop")]


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[openai.OpenAI]:
    """Of a gateway that waits for nobody who holds the store."""
    monkeypatch.setattr("gateway_core.keeping.FIRST_PAUSE", 0.01)
    monkeypatch.setattr("gateway_core.state.sqlite_file.BUSY_SECONDS", 0.0)
    provider = ScriptedProvider(script=[ANSWER, ANSWER])
    with running_gateway(tmp_path, extra_plugins=[provider]) as gateway, gateway.openai() as client:
        yield client


def create(client: openai.OpenAI, *, stream: bool) -> Any:
    """The response object as the client has it at the end."""
    answer: Any = client.responses.create(
        model="scripted-1", input="Hello", store=True, stream=stream
    )
    return list(answer)[-1].response if stream else answer


@contextmanager
def held(file: Path) -> Iterator[None]:
    """Another process is in the middle of a write."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def is_there(file: Path, id: str) -> bool:
    with closing(sqlite3.connect(file)) as connection:
        return bool(connection.execute("SELECT 1 FROM response WHERE id = ?", (id,)).fetchall())


def test_what_a_stream_has_called_stored_is_stored_when_the_store_is_free(
    client: openai.OpenAI, tmp_path: Path
) -> None:
    create(client, stream=False)
    with held(tmp_path / STATE_FILE):
        made = create(client, stream=True)
        assert made.to_dict()["store"] is True
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(made.id)
    while not is_there(tmp_path / STATE_FILE, made.id):
        continue
    assert client.responses.retrieve(made.id) == made


def test_what_was_called_not_stored_is_not_stored_later(
    client: openai.OpenAI, tmp_path: Path
) -> None:
    create(client, stream=False)
    with held(tmp_path / STATE_FILE):
        made = create(client, stream=False)
    assert made.to_dict()["store"] is False
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


def test_reading_waits_for_no_writer(client: openai.OpenAI, tmp_path: Path) -> None:
    """Nor does a gateway that opens the store while somebody writes."""
    made = create(client, stream=False)
    other = running_gateway(tmp_path, extra_plugins=[ScriptedProvider()])
    with held(tmp_path / STATE_FILE), other as gateway, gateway.openai() as second_client:
        assert second_client.responses.retrieve(made.id) == made
