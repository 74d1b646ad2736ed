"""The simulated Cursor and bad clients: it stops dead, or at least takes note, when a client does
what the real one does not forgive.
"""

from collections.abc import Callable, Iterator
from hashlib import sha256

import pytest

from gateway_core.json import dumps
from gateway_cursor.proto import agent_pb2 as pb
from simulators.cursor.server import CursorSimulator
from simulators.cursor.wire import Envelopes, Unreadable
from support.about import about
from support.cursor_peer import (
    CLOCK,
    LOOKUP,
    PROMPT,
    SYSTEM,
    Peer,
    call_entry,
    context_result,
    result_entry,
    run_request,
    tool,
)


@pytest.fixture(scope="module")
def running() -> Iterator[CursorSimulator]:
    with CursorSimulator() as simulator:
        yield simulator


@pytest.fixture
def simulator(running: CursorSimulator) -> CursorSimulator:
    """The simulator, without what earlier tests asked."""
    running.forget()
    return running


@pytest.fixture
def peer(simulator: CursorSimulator) -> Iterator[Peer]:
    """A client with a stream of its own, on which nothing was said."""
    with Peer(simulator.url, simulator.tokens.access, blobs=[SYSTEM, PROMPT]) as peer:
        yield peer


# What a client must not do


def hang(simulator: CursorSimulator, peer: Peer, words: str) -> None:
    """Heartbeats come, and nothing else; the violation says why."""
    simulator.wait(lambda: simulator.violations)
    beats: list[str | None] = []
    while beats[-2:] != ["heartbeat"] * 2:
        message = next(peer.polite())
        assert message.WhichOneof("message") != "exec_server_message"
        beats.append(message.interaction_update.WhichOneof("message"))
        assert beats[-1] in (None, "step_completed", "heartbeat")
    (violation,) = simulator.violations
    assert words in violation


def without_close(peer: Peer, asked: pb.ExecServerMessage) -> None:
    result = pb.McpResult(error=pb.McpError(error="no"))
    answer = pb.ExecClientMessage(id=asked.id, exec_id=asked.exec_id, mcp_result=result)
    peer.say(exec_client_message=answer)
    peer.say(exec_client_message=answer)


def other_exec_id(peer: Peer, asked: pb.ExecServerMessage) -> None:
    asked.exec_id = "another"
    peer.give(asked, "x")


def other_id(peer: Peer, asked: pb.ExecServerMessage) -> None:
    asked.id += 7
    item = pb.McpToolResultContentItem(text=pb.McpTextContent(text="x"))
    result = pb.McpResult(success=pb.McpSuccess(content=[item]))
    answer = pb.ExecClientMessage(id=asked.id, exec_id=asked.exec_id, mcp_result=result)
    peer.say(exec_client_message=answer)


BAD_RESULTS: dict[str, Callable[[Peer, pb.ExecServerMessage], None]] = {
    "is an empty success": lambda peer, asked: peer.answer(
        asked, mcp_result=pb.McpResult(success=pb.McpSuccess())
    ),
    "was answered by shell_result": lambda peer, asked: peer.answer(
        asked, shell_result=pb.ShellResult()
    ),
    "has the exec_id 'another'": other_exec_id,
    "which nobody asked": other_id,
    "answered twice": without_close,
    "closed without an answer": lambda peer, asked: peer.control(
        stream_close=pb.ExecClientStreamClose(id=asked.id)
    ),
    "result of toolu_": lambda peer, asked: peer.answer(
        asked, mcp_result=pb.McpResult(rejected=pb.McpRejected(reason="no"))
    ),
}


@pytest.mark.parametrize("words", BAD_RESULTS)
def test_a_run_hangs_after_a_bad_result(simulator: CursorSimulator, peer: Peer, words: str) -> None:
    simulator.backend.heartbeat = 0.02
    simulator.play("tool: clock\n---\ntext: never")
    peer.begin(run_request("Go", CLOCK))
    (call,) = peer.calls()
    BAD_RESULTS[words](peer, call)
    hang(simulator, peer, words)


def test_a_shell_that_streams_is_not_answered_like_one_that_does_not(
    simulator: CursorSimulator, peer: Peer
) -> None:
    simulator.backend.heartbeat = 0.02
    simulator.play('ask: shell_stream_args {"command": "ls"}\ntext: never')
    peer.begin(run_request("Go"))
    (asked,) = peer.calls()
    rejected = pb.ShellRejected(command="ls", reason="no")
    peer.answer(asked, shell_result=pb.ShellResult(rejected=rejected))
    hang(simulator, peer, "was answered by shell_result and not by shell_stream")


def test_a_context_that_is_left_open_stops_everything(
    simulator: CursorSimulator, peer: Peer
) -> None:
    peer.begin(run_request("Go"))
    asked = next(peer.messages()).exec_server_message
    context = context_result([])
    answer = pb.ExecClientMessage(
        id=asked.id, exec_id=asked.exec_id, request_context_result=context
    )
    peer.say(exec_client_message=answer)
    peer.say(client_heartbeat=pb.ClientHeartbeat())
    run = simulator.runs[0]
    simulator.wait(lambda: run.heartbeats)
    assert run.phase == "opening"


def test_the_first_message_asks_for_a_run(simulator: CursorSimulator, peer: Peer) -> None:
    peer.say(client_heartbeat=pb.ClientHeartbeat())
    assert peer.rest() == ""
    assert peer.last is not None and peer.last["error"]["code"] == "invalid_argument"
    assert "client_heartbeat" in simulator.violations[0]


HISTORIES = {
    "no list of parts": [dumps({"role": "user", "content": "bare"})],
    "has the role 'system'": [SYSTEM],
    "has an empty text": [dumps({"role": "user", "content": [{"type": "text", "text": ""}]})],
    "ends before results": [PROMPT, call_entry("a", "lookup")],
    "comes before results": [PROMPT, call_entry("a", "lookup"), PROMPT],
    "which is not asked": [PROMPT, result_entry("a", "lookup", "x")],
    "no JSON object": [b"[]"],
}


def test_histories_that_make_no_sense(simulator: CursorSimulator) -> None:
    for words in HISTORIES:
        with about(words):
            simulator.forget()
            entries = [SYSTEM, *HISTORIES[words]]
            with Peer(simulator.url, simulator.tokens.access, blobs=entries) as peer:
                peer.begin(run_request("Go on", LOOKUP, entries=entries))
                peer.rest()
            assert any(words in violation for violation in simulator.violations)


def test_blobs_that_are_missing_or_wrong(simulator: CursorSimulator) -> None:
    with Peer(simulator.url, simulator.tokens.access) as peer:
        peer.begin(run_request("Go on", entries=[SYSTEM]))
        peer.rest()
        assert peer.last == {"error": {"code": "internal", "message": "Blob not found"}}
    with Peer(simulator.url, simulator.tokens.access) as peer:
        peer.blobs[sha256(SYSTEM).digest()] = dumps({"role": "system", "content": "Another."})
        peer.begin(run_request("Go on", entries=[SYSTEM]))
        peer.rest()
    assert "is not what its id says" in simulator.violations[-1]


TOOLS = {
    "a tool of Cursor's own": [tool("Read")],
    "not unique": [tool("one", "mcp_x"), tool("two", "mcp_x")],
    "has 'oneOf'": [tool("one", a={"oneOf": [{"type": "string"}]})],
    "has 'anyOf'": [tool("one", a={"type": "array", "items": {"anyOf": []}})],
    "are too much": [tool("one", a={"type": "string", "description": "long " * 30_000})],
    "is no Value": [pb.McpToolDefinition(name="a", tool_name="a", input_schema=b"\xff\xff")],
}


@pytest.mark.parametrize("words", TOOLS)
def test_offers_that_are_refused(simulator: CursorSimulator, peer: Peer, words: str) -> None:
    peer.begin(run_request("Go on", *TOOLS[words]))
    peer.rest()
    assert peer.last is not None and "error" in peer.last
    assert any(words in violation for violation in simulator.violations)


def test_properties_may_have_the_names_of_keywords(simulator: CursorSimulator, peer: Peer) -> None:
    simulator.play("text: Fine.")
    peer.begin(run_request("Go on", tool("Bash", anyOf={"type": "string"}), tool("Read", "mcp_R")))
    assert peer.rest() == "Fine."
    assert simulator.violations == []


def test_ways_to_leave_are_written_down(simulator: CursorSimulator) -> None:
    simulator.play("stall:")
    for leave in (Peer.reset, lambda peer: Peer.reset(peer, 2), Peer.half_close, Peer.close):
        with Peer(simulator.url, simulator.tokens.access) as peer:
            peer.begin(run_request("Go on"))
            peer.until(lambda one: one.WhichOneof("message") == "interaction_update")
            leave(peer)
    simulator.wait(lambda: all(run.left for run in simulator.runs))
    assert [run.violations for run in simulator.runs] == [
        [],
        ["the stream was reset with the code 2"],
        ["the request was ended before the turn"],
        ["the client left without a reset"],
    ]
    assert simulator.runs[0].reset_code == 8


def test_envelopes_no_client_sends() -> None:
    for data, words in [
        (b"\x02\0\0\0\0", "flags 2"),
        (b"\x01\0\0\0\0", "compressed"),
        (b"\0\x7f\xff\xff\xff", "says that it has"),
    ]:
        with about(data), pytest.raises(Unreadable, match=words):
            Envelopes(compressed=False).feed(data)


@pytest.mark.parametrize(
    "headers",
    [
        {"x-ghost-mode": None},
        {"x-request-id": "1"},
        {"x-cursor-client-version": "3.2"},
        {"connect-protocol-version": None},
        {"x-cursor-checksum": "abc"},
    ],
)
def test_headers_that_no_client_sends(
    simulator: CursorSimulator, headers: dict[str, str | None]
) -> None:
    with Peer(simulator.url, simulator.tokens.access, headers=headers) as peer:
        peer.begin(run_request("Go on"))
        peer.rest()
    assert len(simulator.violations) == 1
    assert next(iter(headers)) in simulator.violations[0]


def test_a_conversation_has_one_run_and_one_model(simulator: CursorSimulator) -> None:
    simulator.play("stall:")
    url, token = simulator.url, simulator.tokens.access
    with Peer(url, token) as first, Peer(url, token) as second:
        request = run_request("Go")
        first.begin(request)
        first.until(lambda one: one.WhichOneof("message") == "interaction_update")
        other = run_request("Go", model="default", conversation=request.conversation_id)
        second.begin(other)
        second.rest()
        assert second.last == {"error": {"code": "internal", "message": "Blob not found"}}
    said = " ".join(simulator.runs[1].violations)
    assert "another run at the same time" in said
    assert "was with claude-opus-5-high" in said
