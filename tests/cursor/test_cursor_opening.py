"""Opening turns over HTTP/2: runs that begin, and runs that are tried again."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator

import pytest

from gateway_core import Overloaded, UpstreamCall, UpstreamFailed
from gateway_core.http import Transport
from gateway_cursor.opening import Opener
from gateway_cursor.plan import RunStart
from gateway_cursor.proto import agent_pb2 as pb
from support.cursor_runs import ended, plan_for, says
from support.cursor_turns import CONVERSATION, Client, finish, text_of
from support.cursor_wire import RunServer, running_run_server

BARE = b'{"error":{"code":"resource_exhausted","message":"Error"}}'
REFUSED = b'{"error":{"code":"invalid_argument","message":"Error"}}'
LOST_BLOB = b'{"error":{"code":"internal","message":"Blob not found"}}'


@pytest.fixture
async def server() -> AsyncIterator[RunServer]:
    async with running_run_server() as server:
        yield server


@pytest.fixture
def client(server: RunServer, transport: Transport) -> Client:
    return Client(Opener(), server, transport)


class TestTurn:
    async def test_a_turn_is_shown_and_its_stream_brought_to_its_end(self, client: Client) -> None:
        asking = client.ask()
        run = await client.server.next()
        assert (await run.first()).conversation_id == CONVERSATION
        assert run.headers["authorization"] == "Bearer a"
        await run.answer()
        await finish(run, "Hi")
        response = await asking
        assert (text_of(response), response.stop) == ("Hi", "stop")
        assert await run.next() is None
        assert (run.request.complete.is_set(), run.request.reset_code) == (True, None)

    async def test_each_run_has_an_id_of_its_own(self, client: Client) -> None:
        asking = client.ask()
        first = await client.server.next()
        await first.refuse(LOST_BLOB)
        second = await client.server.next()
        await second.answer()
        await finish(second, "Hi")
        await asking
        ids = [run.headers["x-request-id"] for run in (first, second)]
        assert len(set(ids)) == 2
        assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", id) for id in ids)
        assert len({run.headers["x-original-request-id"] for run in (first, second)}) == 1

    async def test_an_error_of_http_is_handed_on(self, client: Client) -> None:
        opening = client.open()
        entering = asyncio.ensure_future(opening.__aenter__())
        run = await client.server.next()
        await run.request.head(503, {"content-type": "application/json"})
        await run.request.send(b'{"code":"unavailable"}')
        await run.request.finish()
        stream = await entering
        assert (stream.status, stream.headers["content-type"]) == (503, "application/json")
        assert [data async for data in stream] == [b'{"code":"unavailable"}']
        await opening.__aexit__(None, None, None)

    async def test_a_server_that_cannot_be_reached_is_told(self, transport: Transport) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{free.getsockname()[1]}/"
        asked = UpstreamCall("POST", url, {}, state=plan_for())
        with pytest.raises(UpstreamFailed, match="cannot connect to"):
            async with Opener().open(asked, transport):
                pass

    async def test_a_connection_that_breaks_off_before_an_answer_can_be_tried_again(
        self, client: Client
    ) -> None:
        asking = client.ask()
        run = await client.server.next()
        await run.answer()
        await run.request.reset(code=7)
        with pytest.raises(Overloaded, match="REFUSED_STREAM") as caught:
            await asking
        assert caught.value.retryable

    async def test_one_that_breaks_off_behind_text_is_told_in_its_place(
        self, client: Client
    ) -> None:
        async with client.opened(says("Half")) as (stream, run):
            reads = aiter(stream)
            assert await anext(reads)
            await run.request.cut()
            with pytest.raises(UpstreamFailed, match="in the middle of the answer"):
                await anext(reads)


class TestConversations:
    async def test_a_second_run_at_once_gets_an_id_of_its_own(self, client: Client) -> None:
        async with client.opened(says("Once upon")):
            request = await client.replays(client.ask())
            assert request.conversation_id != CONVERSATION
        assert (await client.replays(client.ask())).conversation_id == CONVERSATION

    async def test_the_turn_behind_a_complete_one_keeps_the_id(self, client: Client) -> None:
        async with client.opened(says("Hi"), ended(input_tokens=1)) as (stream, _):
            assert await anext(aiter(stream))  # and the server leaves the stream open
        assert (await client.replays(client.ask())).conversation_id == CONVERSATION


class TestTryingAgain:
    async def test_a_refused_history_is_told_in_words(self, client: Client) -> None:
        structured = plan_for().start
        words = pb.AgentRunRequest()
        words.CopyFrom(structured.request)
        words.action.user_message_action.user_message.text = "in words"
        asking = client.ask(as_text=lambda: RunStart(words, {}))
        await (await client.server.next()).refuse(REFUSED)
        request = await client.replays(asking)
        assert request.action.user_message_action.user_message.text == "in words"
        assert request.conversation_id != CONVERSATION

    async def test_a_spoilt_conversation_gets_a_new_id_for_good(self, client: Client) -> None:
        asking = client.ask()
        ids = {CONVERSATION}
        for _ in range(3):
            run = await client.server.next()
            ids.add((await run.first()).conversation_id)
            await run.refuse(BARE)
        fresh = (await client.replays(asking)).conversation_id
        assert len(ids | {fresh}) == 4
        assert (await client.replays(client.ask())).conversation_id == fresh

    async def test_it_is_told_when_that_does_not_help(self, client: Client) -> None:
        opening = client.open()
        entering = asyncio.ensure_future(opening.__aenter__())
        for _ in range(4):
            await (await client.server.next()).refuse(BARE)
        stream = await entering
        assert b"".join([data async for data in stream]).endswith(BARE)
        await opening.__aexit__(None, None, None)
        assert client.server.count == 4

    async def test_an_error_of_http_is_mended_alike(self, client: Client) -> None:
        asking = client.ask()
        run = await client.server.next()
        await run.request.head(429, {"content-type": "application/json"})
        await run.request.send(b'{"code":"resource_exhausted","message":"Error"}')
        await run.request.finish()
        assert (await client.replays(asking)).conversation_id != CONVERSATION

    async def test_nothing_is_tried_again_behind_text(self, client: Client) -> None:
        async with client.opened(says("Half")) as (stream, run):
            await run.end(BARE)
            assert BARE in b"".join([data async for data in stream])
        assert client.server.count == 1
