"""The conversation on one stream: what is sent, what comes, and which answer belongs to what.

Knows nothing of scripts: `simulators.cursor.play` decides what to say. A question whose answer is
missing or wrong is never settled, so that a run with a bad client shows heartbeats and nothing
else, as the real one does.
"""

import asyncio
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from google.protobuf.message import DecodeError

from gateway_core.json import JsonObject
from gateway_core.testing.upstream_h2 import H2Request
from gateway_cursor.proto import agent_pb2 as pb
from simulators.cursor.run import Run
from simulators.cursor.validate_answers import query_problems
from simulators.cursor.wire import Envelopes, Unreadable, end_of_stream, envelope

__all__ = ["Question", "Session"]

Check: TypeAlias = Callable[[pb.ExecClientMessage | None], Iterable[str]]
"""What is wrong with an answer; None stands for a throw."""

_CANCEL = 8
_PIECE_BYTES = 5
_BEAT_SECONDS = 0.05
"""How soon a change of the time between heartbeats is noticed."""


@dataclass(slots=True)
class Question:
    """Something that the client must do. settled: its answer, once it is closed; None for a throw
    or when it was withdrawn.
    """

    id: int
    exec_id: str
    kind: str
    check: Check
    settled: asyncio.Future[pb.ExecClientMessage | None]
    answer: pb.ExecClientMessage | None = None
    thrown: bool = False
    withdrawn: bool = False
    wrong: bool = False


class Session:
    """One stream. compress, split, coalesce: the shape of what is sent. ended: whether the server
    has nothing more to say. silent: whether it sends not even heartbeats.
    """

    def __init__(self, stream: H2Request, run: Run, changed: Callable[[], None]) -> None:
        self.stream = stream
        self.run = run
        self.compress = self.split = self.coalesce = False
        loop = asyncio.get_running_loop()
        self.first: asyncio.Future[pb.AgentRunRequest | None] = loop.create_future()
        self.ended = self.silent = False
        self._loop = loop
        self._changed = changed
        self._numbers = itertools.count(1)
        self._kv_numbers = itertools.count(0)
        self._questions: dict[int, Question] = {}
        self._closed: set[int] = set()
        self._kvs: dict[int, tuple[str, asyncio.Future[pb.KvClientMessage]]] = {}
        self._queries: dict[int, tuple[str, asyncio.Future[pb.InteractionResponse]]] = {}
        self._waiting_to_go = b""

    # Sending

    async def say(self, **message: Any) -> None:
        """Send a message of the server, given by its member."""
        await self.send(pb.AgentServerMessage(**message).SerializeToString())

    async def show(self, **update: Any) -> None:
        """Send something to look at, given by its member."""
        await self.say(interaction_update=pb.InteractionUpdate(**update))

    async def send(self, payload: bytes) -> None:
        """Send a message, by its bytes."""
        await self.write(envelope(payload, compress=self.compress))

    async def write(self, data: bytes) -> None:
        """Send bytes."""
        self._waiting_to_go += data
        if not self.coalesce:
            await self.flush()

    async def flush(self) -> None:
        """Send what was held back to share a frame."""
        data, self._waiting_to_go = self._waiting_to_go, b""
        size = _PIECE_BYTES if self.split else max(1, len(data))
        for start in range(0, len(data), size):
            await self.stream.send(data[start : start + size])

    async def beat(self, seconds: Callable[[], float]) -> None:
        """Show that the server is there, every so many seconds, until it has ended the stream."""
        while not self.ended:
            waited = 0.0
            while waited < (wanted := seconds()):
                piece = min(wanted, _BEAT_SECONDS)
                await asyncio.sleep(piece)
                waited += piece
            if not (self.ended or self.silent or self.coalesce):
                await self.show(heartbeat=pb.HeartbeatUpdate())

    async def end(
        self, error: JsonObject | None = None, metadata: JsonObject | None = None
    ) -> None:
        """End the stream properly."""
        await self.write(end_of_stream(error, metadata, compress=self.compress))
        await self.finish()

    async def finish(self) -> None:
        """End the stream as it is."""
        self.ended = True
        await self.flush()
        await self.stream.finish()

    # Asking

    async def ask(self, kind: str, args: Any, check: Check) -> Question:
        """Ask the client to do something. kind: a member of `ExecServerMessage`, or `unknown`."""
        number = next(self._numbers)
        question = Question(number, f"exec-{number}", kind, check, self._loop.create_future())
        self._questions[number] = question
        message = pb.ExecServerMessage(id=number, exec_id=question.exec_id)
        if kind == "unknown":
            # Field 99 of `ExecServerMessage`, an empty message.
            message.MergeFromString(b"\x9a\x06\x00")
        else:
            getattr(message, kind).CopyFrom(args)
        await self.say(exec_server_message=message)
        await self.flush()
        return question

    async def withdraw(self, question: Question) -> None:
        """Let the client off."""
        question.withdrawn = True
        abort = pb.ExecServerAbort(id=question.id)
        await self.say(exec_server_control_message=pb.ExecServerControlMessage(abort=abort))
        if not question.settled.done():
            question.settled.set_result(None)

    async def get_blob(self, id: bytes) -> bytes | None:
        """What the client keeps under an id."""
        args = pb.GetBlobArgs(blob_id=id)
        answer = await self._kv("get_blob_result", get_blob_args=args)
        result = answer.get_blob_result
        return result.blob_data if result.HasField("blob_data") else None

    async def set_blob(self, id: bytes, data: bytes) -> None:
        """Have the client keep something."""
        args = pb.SetBlobArgs(blob_id=id, blob_data=data)
        answer = await self._kv("set_blob_result", set_blob_args=args)
        if answer.set_blob_result.HasField("error"):
            self.wrong("a blob was not kept")

    async def _kv(self, expected: str, **args: Any) -> pb.KvClientMessage:
        number = next(self._kv_numbers)
        future: asyncio.Future[pb.KvClientMessage] = self._loop.create_future()
        self._kvs[number] = expected, future
        await self.say(kv_server_message=pb.KvServerMessage(id=number, **args))
        await self.flush()
        return await future

    async def query(self, kind: str, args: Any) -> pb.InteractionResponse:
        """Ask what a person would decide. kind: a member of `InteractionQuery`, or `unknown`."""
        number = next(self._numbers)
        query = pb.InteractionQuery(id=number)
        if kind == "unknown":
            query.MergeFromString(b"\x9a\x06\x00")
        else:
            getattr(query, kind).CopyFrom(args)
        future: asyncio.Future[pb.InteractionResponse] = self._loop.create_future()
        self._queries[number] = kind, future
        await self.say(interaction_query=query)
        await self.flush()
        return await future

    # Hearing

    def wrong(self, text: str) -> None:
        """Write down what no careful client would have sent."""
        self.run.violations.append(text)
        self._changed()

    async def hear(self) -> None:
        """Take what comes until nothing more can come."""
        compressed = self.run.headers.get("connect-content-encoding") == "gzip"
        envelopes = Envelopes(compressed=compressed)
        try:
            while data := await self.stream.next_data():
                for payload in envelopes.feed(data):
                    self._take(pb.AgentClientMessage.FromString(payload))
                self._changed()
        except (Unreadable, DecodeError) as unreadable:
            self.wrong(str(unreadable))
        if envelopes.partial and self.stream.complete.is_set():
            self.wrong("the request ends within an envelope")
        if not self.first.done():
            self.first.set_result(None)
        if self.stream.complete.is_set():
            self.run.half_closed = True
            if not self.run.turn_ended and not self.ended:
                self.wrong("the request was ended before the turn")
            self.run.left = self.ended
            self._changed()
            await self.stream.left.wait()

    def leave(self) -> None:
        """Write down how the client left."""
        run = self.run
        run.reset_code, run.left, run.phase = self.stream.reset_code, True, "ended"
        if run.reset_code not in (None, _CANCEL):
            run.violations.append(f"the stream was reset with the code {run.reset_code}")
        elif run.reset_code is None and not run.half_closed and not self.ended:
            run.violations.append("the client left without a reset")
        elif run.turn_ended and not run.half_closed and not self.ended:
            run.violations.append("the turn was over, but the request was not ended")
        self._changed()

    def _take(self, message: pb.AgentClientMessage) -> None:
        kind = message.WhichOneof("message")
        if kind is None:
            self.wrong("a message is empty, or nobody knows it")
            return
        if kind == "client_heartbeat":
            self.run.heartbeats.append(self._loop.time())
        if not self.first.done():
            if kind != "run_request":
                self.wrong(f"the first message is {kind}")
            self.first.set_result(message.run_request if kind == "run_request" else None)
        elif kind == "run_request":
            self.wrong("a second run is asked for on the stream")
        elif kind == "exec_client_message":
            self._answered(message.exec_client_message)
        elif kind == "exec_client_control_message":
            self._controlled(message.exec_client_control_message)
        elif kind == "kv_client_message":
            self._kept(message.kv_client_message)
        elif kind == "interaction_response":
            self._decided(message.interaction_response)
        elif kind == "conversation_action":
            action = message.conversation_action.WhichOneof("action")
            if action != "cancel_action":
                self.wrong(f"the action {action} comes in the middle of a run")

    def _question(self, id: int, what: str) -> Question | None:
        question = self._questions.get(id)
        if question is None or id in self._closed:
            self.wrong(f"{what} is for {id}, which {'is closed' if question else 'nobody asked'}")
            return None
        if question.withdrawn:
            self.wrong(f"{what} is for {id}, which was withdrawn")
            return None
        return question

    def _answered(self, answer: pb.ExecClientMessage) -> None:
        question = self._question(answer.id, "an answer")
        if question is None:
            return
        found = list(question.check(answer))
        if answer.exec_id != question.exec_id:
            found.append(f"an answer has the exec_id {answer.exec_id!r}")
        if question.answer is not None or question.thrown:
            found.append(f"{question.kind} was answered twice")
        self._judge(question, found)
        question.answer = answer

    def _controlled(self, control: pb.ExecClientControlMessage) -> None:
        kind = control.WhichOneof("message")
        if kind is None:
            self.wrong("a control message is empty")
            return
        question = self._question(getattr(control, kind).id, kind)
        if question is None:
            return
        if kind == "throw":
            found = list(question.check(None))
            if not control.throw.error:
                found.append("a throw gives no reason")
            if question.answer is not None or question.thrown:
                found.append(f"{question.kind} was answered twice")
            self._judge(question, found)
            question.thrown = True
        elif kind == "stream_close":
            if question.answer is None and not question.thrown:
                self._judge(question, [f"{question.kind} was closed without an answer"])
            self._closed.add(question.id)
            if not question.wrong:
                said = "throw" if question.answer is None else question.answer.WhichOneof("message")
                self.run.answered.append(said or "")
                question.settled.set_result(question.answer)

    def _judge(self, question: Question, found: list[str]) -> None:
        for problem in found:
            question.wrong = True
            self.wrong(problem)

    def _kept(self, answer: pb.KvClientMessage) -> None:
        expected, future = self._kvs.pop(answer.id, ("", None))
        given = answer.WhichOneof("message")
        if future is None:
            self.wrong(f"a blob was answered for {answer.id}, which nobody asked")
        elif given != expected:
            self.wrong(f"a question for a blob was answered by {given} and not by {expected}")
        else:
            future.set_result(answer)

    def _decided(self, answer: pb.InteractionResponse) -> None:
        kind, future = self._queries.pop(answer.id, ("", None))
        if future is None:
            self.wrong(f"a query was answered for {answer.id}, which nobody asked")
            return
        found = list(query_problems(kind, answer))
        for problem in found:
            self.wrong(problem)
        if not found:
            self.run.answered.append(answer.WhichOneof("result") or "nothing")
            future.set_result(answer)
