"""Opening turns over HTTP/2: runs that are held and go on, and runs that are tried again."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from h2.events import RequestReceived

from gateway_core import Overloaded, Text, ToolCall, UpstreamCall, UpstreamFailed, UpstreamStream
from gateway_core.http import Transport
from gateway_core.parts import Response, collect
from gateway_cursor.h2 import CANCEL
from gateway_cursor.live import Pace
from gateway_cursor.opening import Opener
from gateway_cursor.plan import RunLimits, RunStart
from gateway_cursor.proto import agent_pb2 as pb
from support.cursor_runs import call, decoded, ended, plan_for, says, text_result, update
from support.cursor_wire import RunServer, ServedRun, running_run_server
from support.h2_peer import listening

CONVERSATION = "11111111-2222-4333-8444-555555555555"
STEP = update(step_completed=pb.StepCompletedUpdate(step_id=1))
BARE = b'{"error":{"code":"resource_exhausted","message":"Error"}}'
REFUSED = b'{"error":{"code":"invalid_argument","message":"Error"}}'
LOST_BLOB = b'{"error":{"code":"internal","message":"Blob not found"}}'
RESULTS = (text_result("toolu_2", "the result"),)


class Client:
    """Asks for turns, and reads them as the core does."""

    def __init__(self, opener: Opener, server: RunServer, transport: Transport) -> None:
        self.opener = opener
        self.server = server
        self.url = server.url
        self.transport = transport

    def open(self, **facts: Any) -> AbstractAsyncContextManager[UpstreamStream]:
        """The stream of a turn."""
        headers = {"authorization": "Bearer a"}
        asked = UpstreamCall("POST", self.url, headers, state=plan_for(**facts))
        return self.opener.open(asked, self.transport)

    def ask(self, **facts: Any) -> "asyncio.Task[Response]":
        """A whole turn."""
        return asyncio.create_task(self._ask(**facts))

    async def _ask(self, **facts: Any) -> Response:
        async with self.open(**facts) as stream:
            assert stream.status == 200
            headers = dict(stream.headers)
            return collect(decoded([data async for data in stream], headers=headers))

    @asynccontextmanager
    async def opened(
        self, *envelopes: bytes, **facts: Any
    ) -> AsyncIterator[tuple[UpstreamStream, ServedRun]]:
        """A turn that the server begins to answer with these."""
        opening = self.open(**facts)
        entering = asyncio.ensure_future(opening.__aenter__())
        run = await self.server.next()
        await run.first()
        await run.answer(*envelopes)
        stream = await entering
        try:
            yield stream, run
        finally:
            await opening.__aexit__(None, None, None)

    async def waits_for_tool(self, **facts: Any) -> ServedRun:
        """A run that waits for the result of the call `toolu_2`."""
        asking = self.ask(**facts)
        run = await self.server.next()
        await run.first()
        await run.answer(call(), STEP)
        response = await asking
        assert [part.id for part in response.parts if isinstance(part, ToolCall)] == ["toolu_2"]
        assert len(self.opener.held) == 1
        return run

    async def replays(self, asking: "asyncio.Task[Response]") -> pb.AgentRunRequest:
        """How a new run for the turn begins, which then goes well."""
        run = await self.server.next()
        request = await run.first()
        await run.answer()
        await finish(run, "Anew")
        assert text_of(await asking) == "Anew"
        return request


@pytest.fixture
async def server() -> AsyncIterator[RunServer]:
    async with running_run_server() as server:
        yield server


@pytest.fixture
def client(server: RunServer, transport: Transport) -> Client:
    return Client(Opener(), server, transport)


def text_of(response: Response) -> str:
    return "".join(part.text for part in response.parts if isinstance(part, Text))


async def finish(run: ServedRun, words: str) -> None:
    """Bring a turn to its end."""
    await run.send(says(words), ended(input_tokens=10, output_tokens=2))
    await run.end()


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


class TestHeldRun:
    async def test_the_results_go_to_the_run_that_waits_for_them(self, client: Client) -> None:
        run = await client.waits_for_tool()
        answering = client.ask(results=RESULTS)
        result = await run.result()
        assert (result.id, result.exec_id) == (2, "exec-2")
        assert result.mcp_result.success.content[0].text.text == "the result"
        await finish(run, "Done")
        response = await answering
        assert (text_of(response), response.stop) == ("Done", "stop")
        assert (client.server.count, len(client.opener.held)) == (1, 0)

    async def test_several_turns_go_on_with_one_run(self, client: Client) -> None:
        run = await client.waits_for_tool()
        for number in range(3, 6):
            answering = client.ask(results=(text_result(f"toolu_{number - 1}", "x"),))
            assert (await run.result()).id == number - 1
            await run.send(call(number), STEP)
            assert (await answering).stop == "tool_use"
        assert client.server.count == 1

    async def test_what_was_told_of_tokens_is_not_told_again(self, client: Client) -> None:
        asking = client.ask()
        run = await client.server.next()
        await run.first()
        await run.answer(update(token_delta=pb.TokenDeltaUpdate(tokens=30)), call(), STEP)
        first = await asking
        answering = client.ask(results=RESULTS)
        await run.result()
        await run.send(says("Done"), ended(input_tokens=100, output_tokens=50))
        await run.end()
        second = await answering
        assert first.usage is not None
        assert second.usage is not None
        assert (first.usage.output, second.usage.output) == (30, 20)

    @pytest.mark.parametrize(
        "facts",
        [
            {"results": (text_result("toolu_9", "x"),)},
            {"results": (*RESULTS, text_result("toolu_9", "x"))},
            {"results": RESULTS, "fingerprint": "other tools"},
            {"results": ()},
        ],
        ids=["another call", "one call more", "another fingerprint", "no results"],
    )
    async def test_a_turn_that_does_not_fit_drops_the_run_and_replays(
        self, client: Client, facts: dict[str, Any]
    ) -> None:
        run = await client.waits_for_tool()
        asking = client.ask(**facts)
        request = await client.replays(asking)
        assert request.conversation_id == CONVERSATION
        assert await run.left() == CANCEL

    async def test_another_account_does_not_get_the_run(self, client: Client) -> None:
        run = await client.waits_for_tool()
        await client.replays(client.ask(results=RESULTS, account="another", conversation="another"))
        assert len(client.opener.held) == 1
        assert not run.request.left.is_set()

    async def test_what_is_asked_beside_it_with_other_tools_leaves_it_alone(
        self, client: Client
    ) -> None:
        """An agent searches the web for its call, or a helper of its own works on it."""
        run = await client.waits_for_tool()
        request = await client.replays(client.ask(fingerprint="other tools"))
        assert request.conversation_id != CONVERSATION  # as a run is using that
        answering = client.ask(results=RESULTS)
        await run.result()
        await finish(run, "Done")
        assert text_of(await answering) == "Done"
        assert (await client.replays(client.ask())).conversation_id == CONVERSATION

    async def test_of_two_requests_with_the_results_one_gets_the_run(self, client: Client) -> None:
        run = await client.waits_for_tool()
        first, second = client.ask(results=RESULTS), client.ask(results=RESULTS)
        await run.result()
        request = await client.replays(second)
        assert request.conversation_id != CONVERSATION  # the other is still in it
        await finish(run, "Done")
        assert text_of(await first) == "Done"

    async def test_a_run_that_ended_while_it_was_held_is_replayed(self, client: Client) -> None:
        run = await client.waits_for_tool()
        await run.request.cut()
        await client.replays(client.ask(results=RESULTS))
        assert len(client.opener.held) == 0

    @pytest.mark.parametrize("how", ["cut", "reset", "end", "error"])
    async def test_a_run_that_breaks_off_on_the_results_is_replayed(
        self, client: Client, how: str
    ) -> None:
        run = await client.waits_for_tool()
        answering = client.ask(results=RESULTS)
        await run.result()
        match how:
            case "cut":
                await run.request.cut()
            case "reset":
                await run.request.reset()
            case "end":
                await run.end()
            case "error":
                await run.end(LOST_BLOB)
        await client.replays(answering)

    async def test_a_run_whose_connection_died_without_a_word_is_replayed(
        self, transport: Transport
    ) -> None:
        """The machine slept, or a router forgot: writing goes well, and nobody is there."""
        opener = Opener(Pace(echo=0.01))
        async with listening() as listener, running_run_server() as server:
            client = Client(opener, server, transport)
            client.url = listener.url
            asking = client.ask()
            peer = await listener.accept()
            await peer.until(RequestReceived)
            await peer.head(200, {"content-type": "application/connect+proto"})
            await peer.send(call() + STEP)
            assert (await asking).stop == "tool_use"
            client.url = server.url
            await client.replays(client.ask(results=RESULTS))
        assert len(opener.held) == 0

    async def test_an_error_that_a_replay_would_meet_too_is_told(self, client: Client) -> None:
        run = await client.waits_for_tool()
        opening = client.open(results=RESULTS)
        entering = asyncio.ensure_future(opening.__aenter__())
        await run.result()
        await run.end(b'{"error":{"code":"unauthenticated","message":"Error"}}')
        stream = await entering
        assert b"unauthenticated" in await anext(aiter(stream))
        await opening.__aexit__(None, None, None)
        assert client.server.count == 1


class TestLeaving:
    async def test_a_client_that_leaves_takes_the_run_with_it(self, client: Client) -> None:
        asking = client.ask()
        run = await client.server.next()
        await run.answer(says("Once upon"))
        asking.cancel()
        assert await run.left() == CANCEL
        assert not run.request.complete.is_set()

    async def test_one_that_leaves_while_calls_are_gathered_too(self, client: Client) -> None:
        asking = client.ask()
        run = await client.server.next()
        await run.answer(call())
        asking.cancel()
        assert await run.left() == CANCEL
        assert len(client.opener.held) == 0

    async def test_one_that_leaves_with_the_calls_may_come_back(self, client: Client) -> None:
        with pytest.raises(ConnectionError):
            async with client.opened(call(), STEP) as (stream, run):
                assert await anext(aiter(stream))
                raise ConnectionError
        answering = client.ask(results=RESULTS)
        await run.result()
        await finish(run, "Done")
        assert text_of(await answering) == "Done"

    async def test_one_that_leaves_in_a_later_turn_takes_the_run_with_it(
        self, client: Client
    ) -> None:
        run = await client.waits_for_tool()
        answering = client.ask(results=RESULTS)
        await run.result()
        answering.cancel()
        assert await run.left() == CANCEL
        assert len(client.opener.held) == 0

    async def test_runs_are_closed_with_their_transport(
        self, client: Client, transport: Transport
    ) -> None:
        held = await client.waits_for_tool()
        async with client.opened(says("Once upon"), conversation="another") as (_, streaming):
            await transport.aclose()
            assert await held.left() == CANCEL
            assert await streaming.left() == CANCEL
        assert len(client.opener.held) == 0


class TestLimits:
    async def test_a_run_is_not_held_for_ever(self, client: Client) -> None:
        asking = client.ask(limits=RunLimits(held_seconds=0.01))
        run = await client.server.next()
        await run.answer(call(), STEP)
        await asking
        assert await run.left() == CANCEL
        assert len(client.opener.held) == 0

    async def test_the_oldest_is_lost_when_there_are_too_many(self, client: Client) -> None:
        limits = RunLimits(held_runs=2)
        runs = []
        for number in range(3):
            asking = client.ask(limits=limits, conversation=f"conversation {number}")
            runs.append(await client.server.next())
            await runs[-1].answer(call(), STEP)
            await asking
        assert await runs[0].left() == CANCEL
        assert len(client.opener.held) == 2

    async def test_none_is_held_when_none_may_be(self, client: Client) -> None:
        asking = client.ask(limits=RunLimits(held_runs=0))
        run = await client.server.next()
        await run.answer(call(), STEP)
        assert (await asking).stop == "tool_use"
        assert await run.left() == CANCEL


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
