"""What a run shows, as canonical events, sans-IO.

Reads the envelopes that `run` hands on, and those of the server just as well: what is not for the
client's eyes is passed over. Knows no time and nothing of other turns but what the headers say.
"""

from collections.abc import Mapping
from typing import Final

from google.protobuf.message import DecodeError

from gateway_core import Event, GatewayError, PartWriter, UpstreamProtocol
from gateway_cursor.connect import END, EnvelopeReader, read_end
from gateway_cursor.errors import error_of
from gateway_cursor.plan import RunPlan
from gateway_cursor.proto import agent_pb2 as pb
from gateway_cursor.usage import TokenCount

__all__ = ["CursorDecoder"]

_TEXT: Final = "text"
_THINKING: Final = "thinking"


class CursorDecoder:
    """A `StreamDecoder` for one turn. headers: of the stream, in lower case."""

    def __init__(self, plan: RunPlan, headers: Mapping[str, str]) -> None:
        self._plan = plan
        self._reader = EnvelopeReader("gzip" in headers.get("connect-content-encoding", ""))
        self._writer = PartWriter()
        self._count = TokenCount(headers)
        self._window = plan.window
        self._begun = self._thought = self._answered = self._turn_ended = False

    def feed(self, data: bytes) -> list[Event]:
        """Events completed by these bytes."""
        if self._writer.ended:
            return []
        try:
            envelopes = self._reader.feed(data)
        except UpstreamProtocol:
            envelopes = []
        for flags, payload in envelopes:
            self._take(flags, payload)
            if self._writer.ended:
                return self._writer.take()
        if self._reader.fault is not None:
            self._fail(self._reader.fault)
        return self._writer.take()

    def end(self) -> list[Event]:
        """The stream was closed: a `Fail` unless the turn was over."""
        if self._turn_ended:
            self._finish()
        elif self._reader.pending:
            self._fail(UpstreamProtocol("the answer of Cursor was cut off inside a message"))
        else:
            self._fail(UpstreamProtocol("Cursor closed the stream before its answer was complete"))
        return self._writer.take()

    def data_to_send(self) -> bytes:
        """Nothing: the run itself answers the server."""
        return b""

    def _take(self, flags: int, payload: bytes) -> None:
        if flags == END:
            self._end(payload)
            return
        if flags:
            self._turn_over()
            return
        message = pb.AgentServerMessage()
        try:
            message.ParseFromString(payload)
        except DecodeError:
            self._fail(UpstreamProtocol("Cursor sent a message that cannot be read"))
            return
        if not self._begun:
            self._begun = True
            self._writer.begin(model=self._plan.model)
        kind = message.WhichOneof("message")
        if kind == "interaction_update":
            self._update(message.interaction_update)
        elif kind == "exec_server_message":
            self._call(message.exec_server_message)
        elif kind == "conversation_checkpoint_update":
            self._checkpoint(message.conversation_checkpoint_update.token_details)

    def _update(self, update: pb.InteractionUpdate) -> None:
        kind = update.WhichOneof("message")
        if kind == "text_delta":
            text = update.text_delta.text
            if text:
                self._answered = True
                self._count.wrote(text)
                self._writer.text(_TEXT, text)
        elif kind == "thinking_delta":
            text = update.thinking_delta.text
            if text:
                self._thought = True
                self._count.wrote(text)
                self._writer.reasoning(_THINKING, text)
        elif kind == "token_delta":
            self._count.tokens(update.token_delta.tokens)
        elif kind == "thinking_completed":
            self._writer.close(_THINKING)
        elif kind == "turn_ended":
            self._turn_ended = True
            # Older servers tell no totals here, and the size of the context only behind it.
            if self._count.ended(update.turn_ended) or self._count.checked:
                self._finish()

    def _call(self, message: pb.ExecServerMessage) -> None:
        """A call: resolved by the run, with its arguments as one JSON text; or as the server sent
        it.
        """
        args = message.mcp_args
        if message.WhichOneof("message") != "mcp_args" or args.smart_mode_approval_only:
            return
        name: str | None = args.tool_name
        if "" in args.args:
            arguments = args.args[""].decode("utf-8", "replace")
        else:
            name = self._plan.tools.resolve(args)
            if name is None:
                return
            arguments = self._plan.tools.arguments(name, args)
        id = args.tool_call_id
        self._answered = True
        self._count.wrote(arguments)
        self._writer.tool(id, id=id, name=name or "")
        self._writer.arguments(id, arguments)
        self._writer.close(id)

    def _checkpoint(self, tokens: pb.ConversationTokenDetails) -> None:
        self._count.context(tokens.used_tokens)
        self._window = tokens.max_tokens or self._window
        if self._turn_ended and self._count.checked:
            self._finish()

    # How it ends

    def _turn_over(self) -> None:
        self._writer.end("tool_use", self._count.usage(self._plan.estimate))

    def _end(self, payload: bytes) -> None:
        end = read_end(payload)
        if self._turn_ended:
            self._finish()
        elif end is not None:
            plan = self._plan
            size = {"estimate": plan.estimate, "window": self._window}
            self._fail(error_of(end, **size, model=plan.model))
        elif self._answered:
            self._writer.notice(
                "no_turn_end", "Cursor did not say that its answer is complete; it may be cut short"
            )
            self._finish()
        else:
            self._fail(UpstreamProtocol("Cursor ended the stream without an answer"))

    def _finish(self) -> None:
        if not self._answered:
            if not self._thought:
                self._fail(UpstreamProtocol("Cursor gave an empty answer"))
                return
            # All it had went into thinking: clients refuse an answer without a word.
            self._writer.text(_TEXT, " ")
            self._writer.end("length", self._count.usage(self._plan.estimate))
            return
        self._writer.end("stop", self._count.usage(self._plan.estimate))

    def _fail(self, error: GatewayError) -> None:
        self._writer.fail(error)
