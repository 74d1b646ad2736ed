"""A client of Cursor's agents that does as it is told, for tests of the simulator.

Speaks HTTP/2 and Connect on a blocking socket, with no code of the plugin or of the simulator.
"""

import json
import socket
import ssl
import struct
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from types import TracebackType
from typing import Any

import h2.config
import h2.connection
import h2.events
from google.protobuf import json_format, struct_pb2

from gateway_cursor.proto import agent_pb2 as pb

__all__ = [
    "CLOCK",
    "LOOKUP",
    "PROMPT",
    "SYSTEM",
    "Peer",
    "Refused",
    "call_entry",
    "context_result",
    "result_entry",
    "run_request",
    "tool",
]

_SECONDS = 10.0


class Refused(Exception):
    """The answer is no stream. `status` is that of HTTP; 0 stands for a stream that was reset."""

    def __init__(self, status: int, body: bytes = b"") -> None:
        self.status = status
        self.body = body
        super().__init__(f"status {status}: {body!r}")


def tool(name: str, shown: str | None = None, **properties: Any) -> pb.McpToolDefinition:
    """A tool of the client."""
    schema = {"type": "object", "properties": properties}
    value = json_format.ParseDict(schema, struct_pb2.Value())
    return pb.McpToolDefinition(
        name=shown or name,
        tool_name=name,
        description=f"The tool {name}",
        provider_identifier="gateway",
        input_schema=value.SerializeToString(),
    )


def _entry(**members: Any) -> bytes:
    return json.dumps(members, separators=(",", ":"), ensure_ascii=False).encode()


def call_entry(id: str, name: str, **args: object) -> bytes:
    """A call of a tool, in a history."""
    part = {"type": "tool-call", "toolCallId": id, "toolName": name, "args": args}
    return _entry(role="assistant", content=[part])


def result_entry(id: str, name: str, text: str) -> bytes:
    """Its result."""
    part = {"type": "tool-result", "toolCallId": id, "toolName": name, "result": text}
    return _entry(role="tool", id=id, content=[part])


SYSTEM = _entry(role="system", content="You are terse.")
PROMPT = _entry(role="user", content=[{"type": "text", "text": "Do both"}])
LOOKUP = tool("lookup", topic={"type": "string"})
CLOCK = tool("clock")


def run_request(
    text: str | None,
    *tools: pb.McpToolDefinition,
    entries: list[bytes] | None = None,
    model: str = "claude-opus-5-high",
    conversation: str | None = None,
) -> pb.AgentRunRequest:
    """The first message of a run; it resumes when there is no text."""
    request = pb.AgentRunRequest(
        conversation_id=conversation or str(uuid.uuid4()),
        model_details=pb.ModelDetails(model_id=model, display_model_id=model),
        requested_model=pb.RequestedModel(model_id=model),
        mcp_tools=pb.McpTools(mcp_tools=tools),
    )
    if text is None:
        request.action.resume_action.SetInParent()
    else:
        message = request.action.user_message_action.user_message
        message.text, message.message_id = text, str(uuid.uuid4())
        message.mode = pb.AGENT_MODE_AGENT if tools else pb.AGENT_MODE_ASK
    roots = [sha256(entry).digest() for entry in entries or ()]
    request.conversation_state.root_prompt_messages_json.extend(roots)
    return request


def context_result(tools: list[pb.McpToolDefinition]) -> pb.RequestContextResult:
    """What a client says about itself."""
    context = pb.RequestContext(
        env=pb.RequestContextEnv(os_version="linux 6.8", shell="bash", time_zone="UTC"),
        tools=tools,
        cloud_rule="Be terse.",
        env_info_complete=True,
        mcp_info_complete=True,
        rules_info_complete=True,
        repository_info_complete=True,
        git_status_info_complete=True,
        agent_skills_info_complete=True,
        custom_subagents_info_complete=True,
        mcp_file_system_info_complete=True,
    )
    if tools:
        context.mcp_instructions.add(server_name="gateway", server_identifier="gateway")
    return pb.RequestContextResult(success=pb.RequestContextSuccess(request_context=context))


class Peer:
    """One run. blobs: what the server may ask for. last: the JSON of the last envelope, once it
    came; over: whether the stream ended. reset_code: how the server reset it.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        headers: Mapping[str, str | None] | None = None,
        tls: ssl.SSLContext | None = None,
        blobs: list[bytes] | None = None,
    ) -> None:
        host, _, port = url.partition("://")[2].partition(":")
        plain = socket.create_connection((host, int(port)), timeout=_SECONDS)
        self._socket = plain if tls is None else tls.wrap_socket(plain, server_hostname=host)
        self._h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        )
        self.blobs = {sha256(blob).digest(): blob for blob in blobs or ()}
        self.kept: dict[bytes, bytes] = {}
        self.last: dict[str, Any] | None = None
        self.over = False
        self.reset_code: int | None = None
        self.status = 0
        self.heard: list[pb.AgentServerMessage] = []
        self._data = b""
        self._h2.initiate_connection()
        fields = {
            ":method": "POST",
            ":scheme": url.partition(":")[0],
            ":authority": host,
            ":path": "/agent.v1.AgentService/Run",
            "authorization": f"Bearer {token}",
            "content-type": "application/connect+proto",
            "connect-protocol-version": "1",
            "connect-accept-encoding": "gzip",
            "x-cursor-client-type": "cli",
            "x-cursor-client-version": "cli-2026.09.15-d2fe57e",
            "x-ghost-mode": "true",
            "x-request-id": str(uuid.uuid4()),
            **(headers or {}),
        }
        pairs = [(name, value) for name, value in fields.items() if value is not None]
        self._h2.send_headers(1, pairs)
        self._flush()

    def __enter__(self) -> "Peer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, whatever is going on."""
        self._socket.close()

    def begin(self, request: pb.AgentRunRequest) -> None:
        """Send the first message."""
        self.tools = list(request.mcp_tools.mcp_tools)
        self.say(run_request=request)

    def say(self, **message: Any) -> None:
        """Send a message, given by its member."""
        payload = pb.AgentClientMessage(**message).SerializeToString()
        self.write(struct.pack(">BI", 0, len(payload)) + payload)

    def answer(self, asked: pb.ExecServerMessage, **result: Any) -> None:
        """Answer what is asked, and close it."""
        answer = pb.ExecClientMessage(id=asked.id, exec_id=asked.exec_id, **result)
        self.say(exec_client_message=answer)
        self.control(stream_close=pb.ExecClientStreamClose(id=asked.id))

    def control(self, **message: Any) -> None:
        """Send a control message, given by its member."""
        self.say(exec_client_control_message=pb.ExecClientControlMessage(**message))

    def give(self, asked: pb.ExecServerMessage, text: str) -> None:
        """Give the result of a tool."""
        item = pb.McpToolResultContentItem(text=pb.McpTextContent(text=text))
        self.answer(asked, mcp_result=pb.McpResult(success=pb.McpSuccess(content=[item])))

    def write(self, data: bytes) -> None:
        """Send bytes, as fast as the server takes them."""
        while data:
            room = min(self._h2.local_flow_control_window(1), self._h2.max_outbound_frame_size)
            self._h2.send_data(1, data[:room])
            data = data[room:]
            self._flush()
            if data and not self._h2.local_flow_control_window(1):
                self._receive()

    def half_close(self) -> None:
        """Say that nothing more will come."""
        self._h2.end_stream(1)
        self._flush()

    def reset(self, code: int = 8) -> None:
        """Leave."""
        self._h2.reset_stream(1, code)
        self._flush()

    def messages(self) -> Iterator[pb.AgentServerMessage]:
        """What comes, as it comes, until the stream ends. Raises `Refused`."""
        while True:
            while (payload := self._next_payload()) is not None:
                message = pb.AgentServerMessage.FromString(payload)
                self.heard.append(message)
                yield message
            if self.over:
                return
            self._receive()

    def polite(self) -> Iterator[pb.AgentServerMessage]:
        """What comes, less what any client answers by itself: context and blobs."""
        for message in self.messages():
            kind = message.WhichOneof("message")
            if kind == "kv_server_message":
                self.keep(message.kv_server_message)
            elif (
                kind == "exec_server_message"
                and message.exec_server_message.WhichOneof("message") == "request_context_args"
            ):
                result = context_result(self.tools)
                self.answer(message.exec_server_message, request_context_result=result)
            else:
                yield message

    def keep(self, asked: pb.KvServerMessage) -> None:
        """Give or take a blob."""
        answer = pb.KvClientMessage(id=asked.id)
        if asked.WhichOneof("message") == "get_blob_args":
            known = {**self.blobs, **self.kept}
            answer.get_blob_result.SetInParent()
            if (data := known.get(asked.get_blob_args.blob_id)) is not None:
                answer.get_blob_result.blob_data = data
        else:
            self.kept[asked.set_blob_args.blob_id] = asked.set_blob_args.blob_data
            answer.set_blob_result.SetInParent()
        self.say(kv_client_message=answer)

    def calls(self, count: int = 1) -> list[pb.ExecServerMessage]:
        """The next questions other than for the context."""
        found = []
        for message in self.polite():
            if message.WhichOneof("message") == "exec_server_message":
                found.append(message.exec_server_message)
                if len(found) == count:
                    return found
        raise AssertionError(f"only {len(found)} questions came; the end was {self.last}")

    def rest(self) -> str:
        """The text that comes until the turn or the stream ends."""
        text = ""
        for message in self.polite():
            update = message.interaction_update
            text += update.text_delta.text
            if update.WhichOneof("message") == "turn_ended":
                self.half_close()
        return text

    def until(self, so: Callable[[pb.AgentServerMessage], object]) -> pb.AgentServerMessage:
        """The next message of which something is so."""
        return next(message for message in self.polite() if so(message))

    def _flush(self) -> None:
        self._socket.sendall(self._h2.data_to_send())

    def _receive(self) -> None:
        data = self._socket.recv(65_536)
        if not data:
            self.over = True
            return
        for event in self._h2.receive_data(data):
            if isinstance(event, h2.events.ResponseReceived):
                headers = {str(name): str(value) for name, value in event.headers}
                self.status = int(headers[":status"])
            elif isinstance(event, h2.events.DataReceived):
                self._h2.acknowledge_received_data(event.flow_controlled_length, 1)
                self._data += event.data
            elif isinstance(event, h2.events.StreamEnded):
                self.over = True
            elif isinstance(event, h2.events.StreamReset):
                self.over, self.reset_code = True, event.error_code
            elif isinstance(event, h2.events.ConnectionTerminated):
                self.over = True
        self._flush()
        if self.over and self.status != 200:
            raise Refused(self.status, self._data)

    def _next_payload(self) -> bytes | None:
        if self.status != 200 or len(self._data) < 5:
            return None
        flags, length = struct.unpack(">BI", self._data[:5])
        if len(self._data) < 5 + length:
            return None
        payload, self._data = self._data[5 : 5 + length], self._data[5 + length :]
        if flags & 1:
            payload = zlib.decompress(payload, wbits=31)
        if flags & 2:
            self.last = json.loads(payload)
            return None
        return payload
