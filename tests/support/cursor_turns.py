"""Turns of a client of the Cursor plugin, with the server's side in the hands of the test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from gateway_core import Text, ToolCall, UpstreamCall, UpstreamStream
from gateway_core.http import Transport
from gateway_core.parts import Response, collect
from gateway_cursor.opening import Opener
from gateway_cursor.proto import agent_pb2 as pb
from support.cursor_runs import call, decoded, ended, plan_for, says, text_result, update
from support.cursor_wire import RunServer, ServedRun

__all__ = ["CONVERSATION", "RESULTS", "STEP", "Client", "finish", "text_of"]

CONVERSATION = "11111111-2222-4333-8444-555555555555"
STEP = update(step_completed=pb.StepCompletedUpdate(step_id=1))
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


def text_of(response: Response) -> str:
    return "".join(part.text for part in response.parts if isinstance(part, Text))


async def finish(run: ServedRun, words: str) -> None:
    """Bring a turn to its end."""
    await run.send(says(words), ended(input_tokens=10, output_tokens=2))
    await run.end()
