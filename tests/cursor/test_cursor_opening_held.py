"""Opening turns over HTTP/2: runs that are held, and what becomes of those that cannot go on."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from h2.events import RequestReceived

from gateway_core.http import Transport
from gateway_cursor.h2 import CANCEL
from gateway_cursor.live import Pace
from gateway_cursor.opening import Opener
from gateway_cursor.plan import RunLimits
from gateway_cursor.proto import agent_pb2 as pb
from support.cursor_runs import call, ended, says, text_result, update
from support.cursor_turns import CONVERSATION, RESULTS, STEP, Client, finish, text_of
from support.cursor_wire import RunServer, running_run_server
from support.h2_peer import listening

LOST_BLOB = b'{"error":{"code":"internal","message":"Blob not found"}}'


@pytest.fixture
async def server() -> AsyncIterator[RunServer]:
    async with running_run_server() as server:
        yield server


@pytest.fixture
def client(server: RunServer, transport: Transport) -> Client:
    return Client(Opener(), server, transport)


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

    async def test_another_login_of_the_account_drops_the_run_and_replays(
        self, client: Client
    ) -> None:
        run = await client.waits_for_tool(login="first")
        await client.replays(client.ask(results=RESULTS, login="second"))
        assert await run.left() == CANCEL

    async def test_a_run_goes_when_its_login_does(self, client: Client) -> None:
        run = await client.waits_for_tool()
        client.opener.logged_out("somebody else")
        assert len(client.opener.held) == 1
        client.opener.logged_out("account-1")
        assert await run.left() == CANCEL
        await client.replays(client.ask(results=RESULTS))

    async def test_a_logout_in_another_process_ends_the_run_and_no_turn(
        self, client: Client
    ) -> None:
        run = await client.waits_for_tool()
        asking = client.ask(conversation="another", fingerprint="another")
        other = await client.server.next()
        await other.answer(says("Once "))
        client.transport.log_out()
        assert await run.left() == CANCEL
        await finish(other, "upon a time")
        assert text_of(await asking) == "Once upon a time"

    async def test_a_run_whose_login_went_during_its_turn_is_not_held(self, client: Client) -> None:
        asking = client.ask()
        run = await client.server.next()
        await run.first()
        await run.answer(says("Let me look. "))
        client.transport.log_out()
        await run.send(call(), STEP)
        assert (await asking).stop == "tool_use"
        assert len(client.opener.held) == 0
        assert await run.left() == CANCEL
        request = await client.replays(client.ask(results=RESULTS))
        assert request.conversation_id == CONVERSATION

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
