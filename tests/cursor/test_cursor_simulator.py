"""The simulated Cursor by itself: it leads a good client to the end of its turn, and goes wrong in
every way that it is told to.
"""

import base64
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from gateway_core.json import dumps
from gateway_cursor.proto import agent_pb2 as pb
from simulators.cursor.faults import FIXTURES, recorded_end, with_details
from simulators.cursor.server import CursorSimulator
from simulators.cursor.wire import end_of_stream, envelope
from support.cursor_peer import (
    CLOCK,
    LOOKUP,
    PROMPT,
    SYSTEM,
    Peer,
    Refused,
    call_entry,
    result_entry,
    run_request,
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


# Turns that go well


def test_envelopes_are_byte_for_byte_the_recorded_ones() -> None:
    read = (FIXTURES / "s90-end-stream-ok.bin").read_bytes()
    assert end_of_stream() == read
    text = pb.InteractionUpdate(text_delta=pb.TextDeltaUpdate(text="Hello"))
    message = pb.AgentServerMessage(interaction_update=text)
    recorded = (FIXTURES / "s01-text-delta.bin").read_bytes()
    assert envelope(message.SerializeToString()) == recorded


def test_details_of_errors_are_those_of_recorded_ones() -> None:
    made = with_details("not_found", 5, "Unknown model", "Model name is not valid.")
    assert made == recorded_end("s97")["error"]


def test_a_turn_in_the_usual_order(simulator: CursorSimulator, peer: Peer) -> None:
    simulator.play("think: Hm.\ntext: Here you are.\nusage: input=9 output=2")
    peer.begin(run_request("Hello", entries=[SYSTEM]))
    assert peer.rest() == "Here you are."
    kinds = [message.WhichOneof("message") for message in peer.heard]
    first_blob = next(i for i, kind in enumerate(kinds) if kind == "kv_server_message")
    assert (kinds[0], first_blob) == ("exec_server_message", 1)
    assert peer.heard[1].kv_server_message.id == 0
    ended = peer.heard[-1].interaction_update.turn_ended
    assert (ended.input_tokens, ended.output_tokens) == (9, 2)
    assert peer.last == {}
    run = simulator.runs[0]
    simulator.wait(lambda: run.half_closed)
    assert (run.history.system, run.prompt, run.turn) == ("You are terse.", "Hello", 0)
    assert simulator.violations == []


def test_the_recorded_requests_are_welcome(simulator: CursorSimulator) -> None:
    facts = json.loads((FIXTURES / "c02-run-request-history-tools.json").read_text())
    blobs = [base64.b64decode(blob) for blob in facts["blobs"].values()]
    for name in ("01-run-request-text", "02-run-request-history-tools", "04-run-request-resume"):
        recorded = (FIXTURES / f"c{name}.bin").read_bytes()
        message = pb.AgentClientMessage.FromString(recorded[5:]).run_request
        message.conversation_id = str(uuid.uuid4())
        simulator.play("text: Welcome.")
        with Peer(simulator.url, simulator.tokens.access, blobs=blobs) as peer:
            peer.begin(message)
            assert peer.rest() == "Welcome.", name
    said = [violation for violation in simulator.violations if "the model is" not in violation]
    assert said == []  # one names its model in one place only


def test_calls_wait_for_all_their_results(simulator: CursorSimulator, peer: Peer) -> None:
    simulator.play("""\
tool: lookup {"topic": "rain", "depth": 2}
tool: clock
---
text: Read:
echo: results
""")
    simulator.backend.heartbeat = 0.05
    peer.begin(run_request("Go", LOOKUP, CLOCK))
    first, second = peer.calls(2)
    assert first.mcp_args.tool_name == "lookup"
    assert first.mcp_args.args["depth"] == b"\x11" + b"\0\0\0\0\0\0\x00\x40"
    run = simulator.runs[0]
    simulator.wait(lambda: run.phase == "waiting")
    peer.give(second, "nine")
    silence = peer.until(lambda one: one.interaction_update.WhichOneof("message") == "heartbeat")
    assert silence.WhichOneof("message") == "interaction_update"
    assert run.phase == "waiting"
    peer.give(first, "wet")
    assert peer.rest() == "Read:wet\nnine"
    assert [*run.given] == [first.mcp_args.tool_call_id, second.mcp_args.tool_call_id]
    assert simulator.violations == []


def test_serial_calls_come_one_by_one(simulator: CursorSimulator, peer: Peer) -> None:
    simulator.play("shape: serial\ntool: clock\ntool: lookup\n---\ntext: Done.")
    peer.begin(run_request("Go", LOOKUP, CLOCK))
    (first,) = peer.calls()
    peer.give(first, "nine")
    (second,) = peer.calls()
    assert second.mcp_args.tool_name == "lookup"
    peer.give(second, "wet")
    assert peer.rest() == "Done."


@pytest.mark.parametrize(
    ("entries", "text"),
    [
        pytest.param([call_entry("a", "lookup", topic="x"), result_entry("a", "lookup", "1")], None,
                     id="structured"),
        pytest.param(
            [dumps({"role": "assistant", "content": [
                {"type": "text", "text": 'I called lookup with {"topic": "x"}.'}]})],
            "It said 1. Go on.",
            id="in words",
        ),
    ],
)  # fmt: skip
def test_a_replayed_history_goes_on_where_it_was(
    simulator: CursorSimulator, entries: list[bytes], text: str | None
) -> None:
    simulator.play('tool: lookup {"topic": "x"}\n---\ntext: Both steps are done.')
    blobs = [SYSTEM, PROMPT, *entries]
    with Peer(simulator.url, simulator.tokens.access, blobs=blobs) as peer:
        peer.begin(run_request(text, LOOKUP, entries=blobs))
        assert peer.rest() == "Both steps are done."
    assert simulator.runs[0].turn == 1
    assert simulator.violations == []


@pytest.mark.parametrize(
    "shape", ["gzip", "split", "coalesced", "partial", "no-usage", "step-first", "no-announce"]
)
def test_shapes_mean_the_same(simulator: CursorSimulator, peer: Peer, shape: str) -> None:
    simulator.play(f"shape: {shape}\ntext: Größer 🚀\ntool: clock\n---\nshape: {shape}\ntext: ok")
    peer.begin(run_request("Go", CLOCK))
    (call,) = peer.calls()
    peer.give(call, "nine")
    assert peer.rest() == "ok"
    texts = [message.interaction_update.text_delta.text for message in peer.heard]
    assert "".join(texts) == "Größer 🚀ok"


def test_many_small_frames(simulator: CursorSimulator, peer: Peer) -> None:
    simulator.play("burst: 20000")
    peer.begin(run_request("Much"))
    assert peer.rest().endswith("word19999 ")


def test_blobs_are_kept_at_the_client(simulator: CursorSimulator, peer: Peer) -> None:
    simulator.play("keep: a note\nmiss:\nsummary:\nodd:\nnative: read_tool_call\ntext: Kept.")
    peer.begin(run_request("Go"))
    assert peer.rest() == "Kept."
    assert b"a note" in peer.kept.values()


def refused(kind: str) -> dict[str, Any]:
    """Members of an answer with which a client without any tools of its own refuses."""
    rejected = pb.PathRejected(path="a", reason="not here")
    shell = pb.ShellRejected(command="ls", reason="not here")
    answers: dict[str, dict[str, Any]] = {
        "read_args": {"read_result": pb.ReadResult(rejected=rejected)},
        "shell_stream_args": {"shell_stream": pb.ShellStream(rejected=shell)},
        "grep_args": {"grep_result": pb.GrepResult(error=pb.GrepError(error="not here"))},
        "mcp_allowlist_precheck_args": {
            "mcp_allowlist_precheck_result": pb.AllowlistPrecheckResult(allowlisted=True)
        },
    }
    return answers[kind]


@pytest.mark.parametrize(
    ("kind", "args"),
    [
        ("read_args", {"path": "a"}),
        ("shell_stream_args", {"command": "ls"}),
        ("grep_args", {"pattern": "x"}),
        ("mcp_allowlist_precheck_args", {}),
    ],
)
def test_tools_of_the_editor_are_refused_in_their_own_way(
    simulator: CursorSimulator, peer: Peer, kind: str, args: dict[str, str]
) -> None:
    simulator.play(f"ask: {kind} {json.dumps(args)}\ntext: On.")
    peer.begin(run_request("Go"))
    (asked,) = peer.calls()
    peer.answer(asked, **refused(kind))
    assert peer.rest() == "On."
    assert simulator.violations == []


def test_what_nobody_knows_is_thrown_back(simulator: CursorSimulator, peer: Peer) -> None:
    simulator.play("ask: unknown\ntext: On.")
    peer.begin(run_request("Go"))
    (asked,) = peer.calls()
    assert asked.WhichOneof("message") is None
    peer.control(throw=pb.ExecClientThrow(id=asked.id, error="unknown"))
    peer.control(stream_close=pb.ExecClientStreamClose(id=asked.id))
    assert peer.rest() == "On."


def test_queries_and_probes(simulator: CursorSimulator, peer: Peer) -> None:
    simulator.play("""\
query: web_search_request_query {"args": {"search_term": "h2"}}
query: unknown
probe: clock
text: On.
""")
    peer.begin(run_request("Go", CLOCK))
    query = peer.until(lambda one: one.WhichOneof("message") == "interaction_query")
    said = pb.ApprovalResponse(rejected=pb.Rejected(reason="no"))
    id = query.interaction_query.id
    response = pb.InteractionResponse(id=id, web_search_request_response=said)
    peer.say(interaction_response=response)
    query = peer.until(lambda one: one.WhichOneof("message") == "interaction_query")
    peer.say(interaction_response=pb.InteractionResponse(id=query.interaction_query.id))
    (probe,) = peer.calls()
    assert probe.mcp_args.smart_mode_approval_only
    peer.answer(probe, mcp_result=pb.McpResult(approved=pb.McpApproved()))
    assert peer.rest() == "On."
    assert simulator.violations == []


# What goes wrong on demand


@pytest.mark.parametrize(
    "name", sorted(path.stem for path in FIXTURES.glob("s9[1-7a-d]-end-*.json"))
)
def test_recorded_ends(simulator: CursorSimulator, peer: Peer, name: str) -> None:  # fmt: skip
    simulator.play(f"text: Half\nfail: {name}")
    peer.begin(run_request("Go"))
    assert peer.rest() == "Half"
    assert peer.last == recorded_end(name)


@pytest.mark.parametrize("kind", ["head", "payload"])
def test_streams_that_are_cut(simulator: CursorSimulator, peer: Peer, kind: str) -> None:
    simulator.play(f"text: Half\ntruncate: {kind}")
    peer.begin(run_request("Go"))
    assert peer.rest() == "Half"
    assert peer.last is None


def test_resets_and_partings(simulator: CursorSimulator) -> None:
    ends = {"reset: REFUSED_STREAM": 7, "reset: CANCEL": 8, "goaway:": None, "drop:": None}
    for end, code in ends.items():
        simulator.play(f"text: Half\n{end}")
        with Peer(simulator.url, simulator.tokens.access) as peer:
            peer.begin(run_request("Go"))
            assert peer.rest() == "Half"
            assert (peer.reset_code, peer.last) == (code, None)
    assert simulator.violations == []


def test_runs_that_are_refused_at_once(simulator: CursorSimulator) -> None:
    simulator.backend.before.extend(["http 503 unavailable", "reset REFUSED_STREAM"])
    for status in (503, 0):
        with Peer(simulator.url, simulator.tokens.access) as peer:
            with pytest.raises(Refused) as refused:
                next(peer.messages())
            assert refused.value.status == status


def test_a_connection_that_is_lost_while_parked(simulator: CursorSimulator, peer: Peer) -> None:
    simulator.play("tool: clock\n---\ntext: never")
    peer.begin(run_request("Go", CLOCK))
    peer.calls()
    simulator.hang_up(simulator.runs[0])
    assert peer.rest() == ""
    assert (peer.over, peer.last) == (True, None)


def test_a_turn_that_ends_though_its_stream_does_not(
    simulator: CursorSimulator, peer: Peer
) -> None:
    simulator.play("text: Done.\nopen:")
    peer.begin(run_request("Go"))
    peer.until(lambda one: one.interaction_update.WhichOneof("message") == "turn_ended")
    peer.half_close()
    peer.reset()
    simulator.wait(lambda: simulator.runs[0].left)
    assert simulator.violations == []
