"""Responses over WebSocket: the real SDK and raw frames against a real server."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from socket import create_connection
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from gateway_core.app import create_app
from gateway_core.cli.server import Server
from gateway_core.content import Text, ToolCall, ToolResult
from gateway_core.credentials.store import MemoryStore
from gateway_core.errors import Overloaded, RateLimited
from gateway_core.events import Close, Delta, End, Fail, Open
from support.keeper import KEPT_ID, LOGIN, Keeper
from support.scripted_provider import ScriptedProvider
from support.server import Gateway, running_gateway
from support.sockets import AUTH, answer, create, opened, said_to, saying
from support.turns import Start
from support.upstream import ScriptedUpstream

THE_SDK_IS_OLDER = pytest.mark.filterwarnings(
    "ignore:connect.. must be used as a context manager:DeprecationWarning"
)
UPGRADE = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
HANDSHAKE_KEY = "dGhlIHNhbXBsZSBub25jZQ=="


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
def gateway(tmp_path: Path, provider: ScriptedProvider) -> Iterator[Gateway]:
    with running_gateway(tmp_path, extra_plugins=[provider]) as gateway:
        yield gateway


@pytest.fixture
def socket(gateway: Gateway) -> Iterator[ClientConnection]:
    with opened(gateway) as socket:
        yield socket


@THE_SDK_IS_OLDER
def test_the_sdk_talks_over_one_connection(gateway: Gateway, provider: ScriptedProvider) -> None:
    provider.script = [saying("Hello"), saying("again")]
    with gateway.openai() as client, client.responses.connect() as connection:
        connection.response.create(model="scripted-1", input="Hi", store=False)
        first = next(event for event in connection if event.type == "response.completed")
        assert first.response.output_text == "Hello"
        connection.response.create(
            model="scripted-1", input="And?", store=False, previous_response_id=first.response.id
        )
        second = next(event for event in connection if event.type == "response.completed")
        assert second.response.output_text == "again"
    assert said_to(provider) == ["user: Hi", "assistant: Hello", "user: And?"]


def test_the_events_are_those_of_a_stream_over_http(
    gateway: Gateway, socket: ClientConnection, provider: ScriptedProvider
) -> None:
    provider.script = [saying("Hello"), saying("Hello")]
    events = create(socket, input="Hi")
    with gateway.openai() as client:
        stream = client.responses.create(model="scripted-1", input="Hi", store=False, stream=True)
        streamed: list[dict[str, Any]] = [event.to_dict() for event in stream]
    assert [event["type"] for event in events] == [event["type"] for event in streamed]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[-1]["response"]["usage"] == streamed[-1]["response"]["usage"]


def test_a_warm_up_asks_nobody_and_can_be_gone_on_from(
    socket: ClientConnection, provider: ScriptedProvider
) -> None:
    *_, warm = create(
        socket,
        generate=False,
        input=[{"type": "message", "role": "developer", "content": "Be terse."}],
    )
    assert warm["response"]["output"] == []
    assert provider.requests == []
    provider.script = [saying("Hi")]
    create(socket, input="Hello", previous_response_id=warm["response"]["id"])
    assert said_to(provider) == ["system: Be terse.", "user: Hello"]


def test_a_tool_loop_sends_only_what_is_new(
    socket: ClientConnection, provider: ScriptedProvider
) -> None:
    provider.script = [
        [
            Open(0, ToolCall("call_1", "look", "")),
            Delta(0, '{"at": 1}'),
            Close(0),
            End("tool_use"),
        ],
        saying("Seen."),
    ]
    tool = {"type": "function", "name": "look", "parameters": {"type": "object"}}
    *_, first = create(socket, input="Look", tools=[tool])
    result = {"type": "function_call_output", "call_id": "call_1", "output": "a tree"}
    create(socket, input=[result], tools=[tool], previous_response_id=first["response"]["id"])
    *_, last = provider.requests[-1].messages
    [part] = last.parts
    assert isinstance(part, ToolResult) and part.content == [Text("a tree")]
    assert len(provider.requests[-1].messages) == 3


def test_another_connection_knows_nothing_of_it(
    gateway: Gateway, socket: ClientConnection, provider: ScriptedProvider
) -> None:
    provider.script = [saying("Hello")]
    *_, first = create(socket, input="Hi")
    with opened(gateway) as other:
        [error] = create(other, input="And?", previous_response_id=first["response"]["id"])
    assert (error["status"], error["error"]["code"]) == (400, "previous_response_not_found")


def test_a_stored_response_is_gone_on_from_anywhere(
    gateway: Gateway, socket: ClientConnection, provider: ScriptedProvider
) -> None:
    provider.script = [saying("Hello"), saying("again"), saying("still")]
    *_, first = create(socket, input="Hi", store=True)
    with opened(gateway) as other:
        *_, second = create(
            other, input="And?", store=True, previous_response_id=first["response"]["id"]
        )
        create(other, input="So?", previous_response_id=second["response"]["id"])
    assert said_to(provider) == [
        "user: Hi", "assistant: Hello", "user: And?", "assistant: again", "user: So?",
    ]  # fmt: skip
    with gateway.openai() as client:
        kept = client.responses.retrieve(second["response"]["id"])
        assert kept.previous_response_id == first["response"]["id"]


def test_what_goes_on_from_a_stored_response_is_stored_as_over_http(
    gateway: Gateway, provider: ScriptedProvider
) -> None:
    provider.script = [saying("A"), saying("B")]
    with opened(gateway) as socket:
        *_, first = create(socket, input="One", store=True)
        goes_on = {"previous_response_id": first["response"]["id"], "store": None}
        *_, second = create(socket, input="Two", **goes_on)
    assert second["response"]["store"] is True
    with gateway.openai() as client:
        assert client.responses.retrieve(second["response"]["id"]).output_text == "B"


def test_nothing_is_sent_ahead_of_what_only_an_upstream_has(tmp_path: Path) -> None:
    keeper = Keeper()
    store = MemoryStore(LOGIN)
    with running_gateway(tmp_path, extra_plugins=[keeper], store=store) as gateway:
        with opened(gateway) as socket:
            [error] = create(socket, generate=False, input="Hi", previous_response_id=KEPT_ID)
        assert error["error"]["code"] == "previous_response_not_found"


def test_what_is_to_be_stored_may_go_on_from_what_was_not(
    gateway: Gateway, socket: ClientConnection, provider: ScriptedProvider
) -> None:
    provider.script = [saying("Hello"), saying("again")]
    *_, first = create(socket, input="Hi")
    *_, second = create(
        socket, input="And?", store=True, previous_response_id=first["response"]["id"]
    )
    assert said_to(provider) == ["user: Hi", "assistant: Hello", "user: And?"]
    with gateway.openai() as client:
        kept = client.responses.input_items.list(second["response"]["id"])
        assert len(kept.data) == 3


def test_only_the_latest_responses_are_remembered(
    socket: ClientConnection, provider: ScriptedProvider
) -> None:
    ids = [create(socket, generate=False, input="Hi")[-1]["response"]["id"] for _ in range(9)]
    [error] = create(socket, input="And?", previous_response_id=ids[0])
    assert error["error"]["code"] == "previous_response_not_found"
    provider.script = [saying("Hello")]
    assert create(socket, input="And?", previous_response_id=ids[1])[-1]["type"] == (
        "response.completed"
    )


def test_requests_are_answered_one_after_the_other(
    socket: ClientConnection, provider: ScriptedProvider
) -> None:
    provider.script = [saying("one"), saying("two")]
    for lane in ("a", "b"):
        event = {"type": "response.create", "model": "scripted-1", "input": "x", "stream_id": lane}
        socket.send(json.dumps(event))
    first, second = answer(socket), answer(socket)
    assert {event["stream_id"] for event in first} == {"a"}
    assert {event["stream_id"] for event in second} == {"b"}
    assert first[-1]["response"]["output"][0]["content"][0]["text"] == "one"


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "one JSON object"),
        (b"{}", "binary frame"),
        ('{"type": "session.update"}', "expected 'response.create'"),
        ('{"type": []}', "type: expected a string"),
        ("{}", "type: field required"),
        ('{"type": "response.create", "stream_id": 1}', "stream_id"),
        ('{"type": "response.create", "input": "x"}', "model"),
        ('{"type": "response.create", "model": "scripted-1", "input": 7}', "input"),
        ('{"type": "response.create", "model": "nobody", "input": "x"}', "nobody"),
        (
            '{"type": "response.create", "model": "scripted-1", "background": true}',
            "background",
        ),
    ],
)
def test_a_bad_frame_is_told_and_the_connection_goes_on(
    socket: ClientConnection, provider: ScriptedProvider, frame: str | bytes, message: str
) -> None:
    socket.send(frame)
    [error] = answer(socket)
    assert error["type"] == "error"
    assert error["status"] in (400, 404)
    assert message in error["error"]["message"]
    provider.script = [saying("Hello")]
    assert create(socket, input="Hi")[-1]["type"] == "response.completed"


def test_an_error_before_the_answer_is_an_error_event(
    socket: ClientConnection, provider: ScriptedProvider
) -> None:
    provider.script = [RateLimited("slow down", retry_after=17)]
    [error] = create(socket, input="Hi")
    assert error["status"] == 429
    assert error["error"]["code"] == "rate_limit_exceeded"
    assert error["error"]["headers"] == {"retry-after": "17"}


def test_an_error_within_the_answer_fails_the_response(
    socket: ClientConnection, provider: ScriptedProvider
) -> None:
    provider.script = [[Open(0, Text("")), Delta(0, "Hel"), Fail(Overloaded("too many"))]]
    events = create(socket, input="Hi")
    assert events[-1]["type"] == "response.failed"
    assert events[-1]["response"]["error"]["message"] == "too many"
    provider.script = [saying("Hello")]
    assert create(socket, input="Hi")[-1]["type"] == "response.completed"


def test_steering_is_declined_as_the_sdk_expects(socket: ClientConnection) -> None:
    steer = {"type": "response.steer", "previous_response_id": "resp_1", "input": "Stop"}
    socket.send(json.dumps(steer))
    declined = json.loads(socket.recv(10))
    assert declined["type"] == "response.steer.failed"
    assert declined["error"]["code"] == "steering_not_supported"
    assert declined["steer"] == {"previous_response_id": "resp_1", "input": "Stop"}


async def test_too_many_waiting_requests_are_refused(
    start: Start, upstream: ScriptedUpstream
) -> None:
    gateway = start()
    url = gateway.url.replace("http:", "ws:") + "/v1/responses"
    async with connect_async(url, additional_headers=AUTH, proxy=None) as socket:
        await socket.send('{"type": "response.create", "model": "line-1", "input": "hi"}')
        request = await upstream.next_request()
        for _ in range(17):
            await socket.send('{"type": "response.create", "model": "line-1", "input": "hi"}')
        error = json.loads(await socket.recv())
        assert (error["status"], error["error"]["type"]) == (429, "rate_limit_error")
    await request.left.wait()


async def test_the_upstream_is_cancelled_when_the_client_leaves(
    start: Start, upstream: ScriptedUpstream
) -> None:
    gateway = start()
    url = gateway.url.replace("http:", "ws:") + "/v1/responses"
    async with connect_async(url, additional_headers=AUTH, proxy=None) as socket:
        await socket.send('{"type": "response.create", "model": "line-1", "input": "hi"}')
        request = await upstream.next_request()
        await request.head()
        await request.send(b"hello\n")
        while "hello" not in str(await socket.recv()):
            pass
    await request.left.wait()


def test_a_stopping_server_closes_the_connection(
    tmp_path: Path, provider: ScriptedProvider
) -> None:
    with ExitStack() as stack:
        with running_gateway(tmp_path, extra_plugins=[provider]) as gateway:
            socket = stack.enter_context(opened(gateway))
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(10)
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 1012


def test_a_client_may_take_its_time(gateway: Gateway, socket: ClientConnection) -> None:
    """With an event that it is busy with, or to read: it need not answer pings meanwhile, and
    nothing is compressed on the event loop that all share.
    """
    assert Server(create_app(gateway.runtime, key=None)).config.ws_ping_timeout is None
    assert socket.protocol.extensions == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": "Bearer wrong"}, 401),
        ({"origin": "https://evil.example"}, 403),
        ({"host": "evil.example"}, 403),
    ],
)
def test_who_may_not_call_is_refused_at_the_handshake(
    gateway: Gateway, headers: dict[str, str], status: int
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        opened(gateway, **headers)
    assert refused.value.response.status_code == status
    assert json.loads(refused.value.response.body or b"")["error"]["message"]


@pytest.mark.parametrize(
    ("method", "header"),
    [
        ("GET", ""),
        ("GET", f"sec-websocket-key: {HANDSHAKE_KEY}\r\ncontent-length: 2\r\n"),
        ("POST", f"sec-websocket-key: {HANDSHAKE_KEY}\r\ncontent-length: 2\r\n"),
        ("DELETE", f"sec-websocket-key: {HANDSHAKE_KEY}\r\n"),
        ("GET", f"x-long: {'x' * 20_000}\r\n"),
    ],
)
def test_a_handshake_that_is_none_is_refused(gateway: Gateway, method: str, header: str) -> None:
    """Left open, it would keep the server from stopping well."""
    request = f"{method} /v1/responses HTTP/1.1\r\nhost: localhost\r\n{UPGRADE}{header}\r\n{{}}"
    with create_connection(("127.0.0.1", urlsplit(gateway.url).port), 10) as client:
        client.sendall(request.encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 4")
        while client.recv(1000):
            continue


def test_another_path_is_refused_as_over_http(gateway: Gateway) -> None:
    url = gateway.url.replace("http:", "ws:") + "/responses"
    with pytest.raises(InvalidStatus) as refused:
        connect(url, additional_headers=AUTH, proxy=None)
    assert refused.value.response.status_code == 404
    assert "base URLs end" in json.loads(refused.value.response.body or b"")["error"]["message"]


def test_switched_off_it_answers_426_so_that_codex_falls_back(
    tmp_path: Path, provider: ScriptedProvider, caplog: pytest.LogCaptureFixture
) -> None:
    settings = {"server.websocket": False}
    with (
        running_gateway(tmp_path, extra_plugins=[provider], settings=settings) as gateway,
        pytest.raises(InvalidStatus) as refused,
    ):
        opened(gateway)
    assert refused.value.response.status_code == 426
    assert "switched off" in json.loads(refused.value.response.body or b"")["error"]["message"]
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_a_message_larger_than_a_body_may_be_ends_the_connection(
    tmp_path: Path, provider: ScriptedProvider
) -> None:
    settings = {"server.max_body_bytes": 2048}
    with (
        running_gateway(tmp_path, extra_plugins=[provider], settings=settings) as gateway,
        opened(gateway) as socket,
    ):
        socket.send("x" * 3000)
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(10)
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 1009


def test_each_request_is_told_to_observers(
    socket: ClientConnection, provider: ScriptedProvider
) -> None:
    provider.script = [saying("Hello"), saying("Hello")]
    create(socket, input="Hi")
    create(socket, input="Hi")
    first, second = provider.exchanges.get(timeout=10), provider.exchanges.get(timeout=10)
    assert (first.format, first.status) == ("responses", 200)
    assert second.id == f"{first.id}_2"


@THE_SDK_IS_OLDER
def test_an_sdk_error_carries_what_went_wrong(gateway: Gateway) -> None:
    with gateway.openai() as client, client.responses.connect() as connection:
        connection.response.create(model="nobody", input="Hi")
        event = connection.recv()
    assert event.type == "error"
    assert event.error.code == "model_not_found"
