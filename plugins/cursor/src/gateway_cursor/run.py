"""A run: one stream of messages with Cursor, of which a client may see several turns. Sans-IO.

It answers what must be answered, keeps what the client's decoder is to see, and notices when the
calls of a step are all there: then the client's turn is over, and the run waits, parked, for their
results. Knows neither sockets nor clocks: it is fed bytes and the time, in seconds.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, Literal

from google.protobuf.message import DecodeError

from gateway_core import UpstreamProtocol
from gateway_cursor import answers
from gateway_cursor.batch import Batch
from gateway_cursor.blobs import Blobs
from gateway_cursor.calls import PendingCall, announced_ids, client_id, fits, shown_call
from gateway_cursor.connect import (
    END,
    TURN_OVER,
    EndOfStream,
    EnvelopeReader,
    frame,
    read_end,
    write_end,
)
from gateway_cursor.display import PROGRESS, Display, context_update, text_update
from gateway_cursor.plan import CallResult, RunPlan, RunStart
from gateway_cursor.proto import agent_pb2 as pb
from gateway_cursor.usage import TokenCount
from gateway_cursor.work import Work

__all__ = ["Run"]

LARGEST_ANSWER: Final = 64 * 1024 * 1024
"""Bytes that what came at once may ask for; a server that asks for more is up to no good."""


class Run:
    """One run. Whatever the server sends, it raises nothing: it is `over` with a `failure`.

    state: "streaming"; "parked" since `TURN_OVER` was put into the display; "over" once nothing
    more can come of it. turn_ended: Cursor said so. failure: why it is over, unless all went well.
    gave_up: it is over though the server would go on, so that the stream must be reset.
    """

    def __init__(self, plan: RunPlan, start: RunStart) -> None:
        self.state: Literal["streaming", "parked", "over"] = "streaming"
        self.turn_ended = False
        self.failure: EndOfStream | None = None
        self.gave_up = False
        # A run may wait for long: what only a new one needs would be kept in memory for nothing.
        nothing = RunStart(pb.AgentRunRequest(), {})
        self._plan = replace(plan, start=nothing, as_text=None, results=())
        self._first = frame(pb.AgentClientMessage(run_request=start.request).SerializeToString())
        self._salt = hashlib.sha256(self._first).digest()
        self._blobs = Blobs(start.blobs)
        self._reader = EnvelopeReader()
        self._now = 0.0
        self._send = bytearray()
        self._display = Display()
        self._progress = False
        self._batch = Batch()
        self._open: dict[tuple[int, str], PendingCall] = {}
        self._settled = False
        self._pending: dict[str, PendingCall] = {}
        self._given: set[str] = set()
        self._native = 0
        self._work = Work()
        self._reported: dict[str, str] = {}
        self._count = TokenCount()

    def __repr__(self) -> str:
        return f"Run({self.state}, {len(self._pending)} calls pending)"

    @property
    def visible(self) -> bool:
        """Whether the turn has shown text, thoughts or a call."""
        return self._display.visible

    @property
    def pending(self) -> Mapping[str, PendingCall]:
        """The calls that the client was shown and Cursor waits for, by the client's ids."""
        return self._pending

    @property
    def reported(self) -> dict[str, str]:
        """What was told of tokens in earlier turns, as headers for the decoder of this one."""
        return self._reported

    @property
    def deadline(self) -> float | None:
        """When `tick` must be called, if nothing else happens; None when it need not."""
        return self._batch.deadline if self.state == "streaming" else None

    def first(self) -> bytes:
        """The envelope that starts the run; it is given only once."""
        first, self._first = self._first, b""
        return first

    def started(self, headers: Mapping[str, str]) -> None:
        """The response headers came; their names are in lower case."""
        self._reader = EnvelopeReader("gzip" in headers.get("connect-content-encoding", ""))

    def feed(self, data: bytes, now: float) -> None:
        """The server sent this."""
        if self.state == "over":
            return
        self._now = now
        try:
            envelopes = self._reader.feed(data)
        except UpstreamProtocol:
            envelopes = []
        for flags, payload in envelopes:
            self._take(flags, payload)
            if len(self._send) > LARGEST_ANSWER:
                self._send.clear()
                self._give_up("out_of_range", "the server asked for too much at once")
            if self._is_over():
                return
        if self._reader.fault is not None:
            self._broken(self._reader.rest, self._reader.fault.message)
        elif self._progress and not self._display and self.state == "streaming":
            self._display.show(PROGRESS)
        self._progress = False

    def closed(self) -> None:
        """The server ended the stream."""
        if self.state == "over":
            return
        if self._reader.pending and not self.turn_ended:
            self._broken(self._reader.rest, "the stream was cut off inside a message")
            return
        if not self.turn_ended:
            self.failure = EndOfStream("unavailable", "the stream ended before the turn")
        self.state = "over"

    def tick(self, now: float) -> None:
        """It is so late now; ends the client's turn when its calls are taken for all."""
        self._now = now
        deadline = self.deadline
        if deadline is not None and now >= deadline:
            self._turn_over()

    def data_to_send(self) -> bytes:
        """Answers for the server, since the last call."""
        data = bytes(self._send)
        self._send.clear()
        return data

    def take_display(self) -> bytes:
        """Whole envelopes for the decoder of the current turn, since the last call."""
        return self._display.take()

    def heartbeat(self) -> bytes:
        """What is to be sent every few seconds, whatever else happens."""
        calls = (*self._open.values(), *self._pending.values())
        at_work = [call.id for call in calls if not call.withdrawn]
        return b"".join(frame(one.SerializeToString()) for one in answers.heartbeats(at_work))

    def answer(self, results: Sequence[CallResult]) -> None:
        """The client's results of the pending calls: go on with the next turn.

        A call that none came for is answered with an error, a result that nobody waits for is left
        out. Does nothing for a run that is not parked.
        """
        if self.state != "parked":
            return
        given = {result.call_id: result.result for result in results}
        for call in self._pending.values():
            if not call.withdrawn:
                self._reply(call.id, call.exec_id, given.get(call.call_id))
        self._pending.clear()
        self._native = 0
        self._work.clear()
        self.state = "streaming"
        self._display.next_turn()
        if self._settled:
            self._step_over()

    # What the server says

    def _take(self, flags: int, payload: bytes) -> None:
        if flags == END:
            self._end(payload)
            return
        message = pb.AgentServerMessage()
        try:
            if flags:
                raise DecodeError
            message.ParseFromString(payload)
        except DecodeError:
            # One of our own kind is none when it comes from the server, for the decoder neither.
            self._broken(frame(payload, flags and flags | END), "a message cannot be read")
            return
        kind = message.WhichOneof("message")
        if kind == "interaction_update":
            self._update(message.interaction_update, payload)
            return
        self._progress = True
        if kind == "kv_server_message":
            self._write(answers.answer_kv(message.kv_server_message, self._blobs))
        elif kind == "exec_server_message":
            self._exec(message.exec_server_message)
        elif kind == "conversation_checkpoint_update":
            self._checkpoint(message.conversation_checkpoint_update)
        elif kind == "interaction_query":
            self._query(message.interaction_query)
        elif kind == "exec_server_control_message":
            self._abort(message.exec_server_control_message.abort.id)

    def _update(self, update: pb.InteractionUpdate, payload: bytes) -> None:
        kind = update.WhichOneof("message")
        if kind == "text_delta":
            self._says(update.text_delta.text, payload)
        elif kind == "thinking_delta":
            self._says(update.thinking_delta.text, payload)
        elif kind == "token_delta":
            self._count.tokens(update.token_delta.tokens)
            self._show(frame(payload))
        elif kind == "thinking_completed":
            self._show(frame(payload))
        elif kind == "turn_ended":
            self._turn_ended(payload)
        elif kind == "heartbeat":
            self._progress |= self._work.goes_on(self._now)
        else:
            self._progress = True
            if kind == "partial_tool_call":
                partial = update.partial_tool_call
                self._announced(partial.call_id, partial.tool_call)
            elif kind == "tool_call_started":
                started = update.tool_call_started
                self._announced(started.call_id, started.tool_call)
                if started.tool_call.WhichOneof("tool") != "mcp_tool_call":
                    self._work.begin(started.call_id, self._now)
            elif kind == "tool_call_completed":
                completed = update.tool_call_completed
                self._batch.withdraw(announced_ids(completed.call_id, completed.tool_call))
                self._work.end(completed.call_id)
            elif kind == "summary_started":
                self._work.begin(kind, self._now)
            elif kind == "summary_completed":
                self._work.end("summary_started")
            elif kind == "step_completed":
                self._step_over()

    def _says(self, text: str, payload: bytes) -> None:
        if text:
            self._count.wrote(text)
            self._show(frame(payload), visible=True)

    def _announced(self, call_id: str, call: pb.ToolCall) -> None:
        if call.WhichOneof("tool") != "mcp_tool_call":
            return
        name = self._plan.tools.resolve(call.mcp_tool_call.args)
        if name is not None:
            self._batch.announce(announced_ids(call_id, call), name, self._now)

    def _checkpoint(self, state: pb.ConversationStateStructure) -> None:
        if state.HasField("token_details"):
            self._count.context(state.token_details.used_tokens)
            self._show(frame(context_update(state.token_details)))
        self._step_over()

    def _query(self, query: pb.InteractionQuery) -> None:
        self._write(answers.answer_query(query, allow_search=self._plan.allow_search))
        if plan := answers.shown_plan(query):
            if self._display.ever_visible:
                plan = f"\n\n{plan}"
            self._says(plan, text_update(plan))

    # Calls

    def _exec(self, message: pb.ExecServerMessage) -> None:
        kind = message.WhichOneof("message")
        if kind == "mcp_args" and not message.mcp_args.smart_mode_approval_only:
            self._call(message)
            return
        if not answers.is_native(kind) or self._may_try_on():
            self._write(*answers.answer_exec(message, self._plan))

    def _call(self, message: pb.ExecServerMessage) -> None:
        args, tools = message.mcp_args, self._plan.tools
        name = tools.resolve(args)
        if name is None:
            self._batch.refuse(args.tool_call_id, args.tool_name)
            if self._may_try_on():
                self._reply(message.id, message.exec_id, answers.tool_not_found(args, tools))
        elif not self._plan.parallel and (self._open or self._pending):
            self._batch.refuse(args.tool_call_id, name)
            self._reply(message.id, message.exec_id, answers.one_at_a_time())
        elif (message.id, message.exec_id) not in self._open:
            self._settled = False
            self._batch.arrive(args.tool_call_id, name, self._now)
            call_id = args.tool_call_id
            if not fits(call_id) or call_id in self._given:
                call_id = client_id(message, self._salt)
            self._given.add(call_id)
            arguments = tools.arguments(name, args)
            call = PendingCall(message.id, message.exec_id, call_id, name, arguments)
            self._open[message.id, message.exec_id] = call

    def _may_try_on(self) -> bool:
        """Whether the model may call what is not there once more; gives the run up if not."""
        self._native += 1
        if self._native <= self._plan.limits.native_calls:
            return True
        title = "Gave up: the model keeps calling tools that do not exist here"
        self.gave_up = True
        self._end(write_end("aborted", title, "Ask again, or choose another model."))
        return False

    def _abort(self, id: int) -> None:
        for key in [key for key in self._open if key[0] == id]:
            del self._open[key]
            self._batch.drop()
        for call in self._pending.values():
            if call.id == id:
                call.withdrawn = True

    def _step_over(self) -> None:
        """The model made no more calls in this step."""
        if self.state == "streaming" and self._open:
            self._turn_over()
        self._settled = bool(self._open)

    def _turn_over(self) -> None:
        """Show the client its calls, and wait for their results."""
        self._show_calls()
        self._show(TURN_OVER)
        self._display.turn_over()
        estimate = self._plan.estimate
        self._reported = self._count.report(estimate)
        self._count = TokenCount(self._reported)
        self.state = "parked"

    def _show_calls(self) -> None:
        for call in self._open.values():
            self._pending[call.call_id] = call
            self._count.wrote(call.arguments)
            self._show(frame(shown_call(call).SerializeToString()), visible=True)
            call.arguments = ""
        self._open.clear()
        self._batch.clear()

    # How it ends

    def _turn_ended(self, payload: bytes) -> None:
        self.turn_ended = True
        if self.state == "parked":
            self.state = "over"  # it went on without the results
            return
        self._show_calls()
        self._show(frame(payload))

    def _end(self, payload: bytes) -> None:
        self.failure = read_end(payload)
        if self.failure is None and self.state == "streaming":
            self._show_calls()
        self._show(frame(payload, END))
        self.state = "over"

    def _broken(self, rest: bytes, why: str) -> None:
        """The decoder gets the same bytes, and comes to the same end."""
        if self.state == "streaming":
            self._display.show(rest)
        self._give_up("data_loss", why)

    def _give_up(self, code: str, why: str) -> None:
        self.failure = EndOfStream(code, why)
        self.gave_up = True
        self.state = "over"

    def _is_over(self) -> bool:
        return self.state == "over"

    # What goes out

    def _reply(self, id: int, exec_id: str, result: pb.McpResult | None) -> None:
        if result is None or result.WhichOneof("result") is None:
            result = answers.missing_result()
        self._write(*answers.reply(id, exec_id, pb.ExecClientMessage(mcp_result=result)))

    def _write(self, *messages: pb.AgentClientMessage) -> None:
        for message in messages:
            self._send += frame(message.SerializeToString())

    def _show(self, envelope: bytes, *, visible: bool = False) -> None:
        if not self._display.show(envelope, visible=visible):
            self._give_up("resource_exhausted", "more came than a held run may keep")
