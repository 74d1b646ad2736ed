"""Runs that are held between two turns of a client, and what becomes of a turn whose run is gone:
after a restart of the gateway, when its time was up, when its connection broke.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import pytest

from gateway_core.json import dumps_text
from gateway_cursor.live import Pace
from simulators.cursor.installed import cursor_gateway
from simulators.cursor.server import CursorSimulator
from support.conversations import AnthropicTalk, ChatTalk, ResponsesTalk, Talk, Turn
from support.server import Gateway

MODEL = "claude-opus-5-high"
THREE_STEPS = """\
text: First I write.
tool: lookup {"topic": "write hello"}
---
think: Now I run.
tool: lookup {"topic": "run hello"}
tool: clock
---
text: At last I read.
tool: lookup {"topic": "read hello"}
---
text: All is done:
echo: results
"""
KINDS = [AnthropicTalk, ChatTalk, ResponsesTalk]


@pytest.fixture(scope="module")
def running() -> Iterator[CursorSimulator]:
    with CursorSimulator() as simulator:
        yield simulator


@pytest.fixture
def simulator(running: CursorSimulator) -> Iterator[CursorSimulator]:
    """The simulator, without what earlier tests asked; nothing that came may be wrong."""
    running.forget()
    yield running
    assert running.violations == []


@pytest.fixture(scope="module")
def shared(running: CursorSimulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with cursor_gateway(running, tmp_path_factory.mktemp("home")) as gateway:
        yield gateway


@pytest.fixture(params=KINDS)
def talk(request: pytest.FixtureRequest, shared: Gateway) -> Talk:
    made: Talk = request.param(shared, True, model=MODEL)
    return made


def results_for(turn: Turn) -> dict[str, str]:
    return {call.id: f"<{call.name} {dumps_text(call.arguments)}>" for call in turn.calls}


def assert_done(turn: Turn) -> None:
    assert turn.calls == []
    assert turn.text.startswith("All is done:")
    for step in ("write", "run", "read"):
        assert turn.text.count(f'<lookup {{"topic":"{step} hello"}}>') == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_turn_outlives_the_gateway(
    simulator: CursorSimulator, tmp_path: Path, kind: type[AnthropicTalk]
) -> None:
    """One gateway is stopped while tools run; another goes on, from what the client tells it."""
    simulator.play(THREE_STEPS)
    with cursor_gateway(simulator, tmp_path / "a") as first:
        talk = kind(first, True, model=MODEL)
        turn = talk.say("Do the three steps")
        turn = talk.give(results_for(turn))
        assert len(turn.calls) == 2
        (held,) = simulator.runs
        assert held.phase == "waiting"
    simulator.wait(lambda: held.left)
    assert held.reset_code == 8
    with cursor_gateway(simulator, tmp_path / "b") as second:
        talk.gateway = second
        turn = talk.give(results_for(turn))
        assert turn.text == "At last I read."
        assert_done(talk.give(results_for(turn)))
    _, resumed = simulator.runs
    assert resumed.resumes
    roles = [entry["role"] for entry in resumed.entries]
    assert roles == ["system", "user", "assistant", "tool", "assistant", "tool", "tool"]
    assert resumed.conversation == held.conversation


def test_a_turn_outlives_its_connection(simulator: CursorSimulator, talk: Talk) -> None:
    simulator.play(THREE_STEPS)
    turn = talk.say("Do the three steps")
    lost = simulator.runs[0]
    simulator.hang_up(lost)
    simulator.wait(lambda: lost.left)
    turn = talk.give(results_for(turn))
    assert len(turn.calls) == 2
    turn = talk.give(results_for(turn))
    assert_done(talk.give(results_for(turn)))
    assert [run.resumes for run in simulator.runs] == [False, True]


def test_and_so_it_does_in_words_when_resuming_is_refused(
    simulator: CursorSimulator, talk: Talk
) -> None:
    """The second try tells of the results in words, in another conversation."""
    simulator.backend.refuses_resuming = True
    simulator.play(THREE_STEPS)
    turn = talk.say("Do the three steps")
    simulator.hang_up(simulator.runs[0])
    turn = talk.give(results_for(turn))
    assert len(turn.calls) == 2
    simulator.hang_up(simulator.runs[-1])
    turn = talk.give(results_for(turn))
    assert turn.text == "At last I read."
    assert [run.resumes for run in simulator.runs] == [False, True, False, True, False]
    resumed, told = simulator.runs[1:3]
    assert resumed.conversation != told.conversation
    assert {entry["role"] for entry in told.entries} <= {"system", "user", "assistant"}
    assert_done_in_words(talk.give(results_for(turn)))


def assert_done_in_words(turn: Turn) -> None:
    assert turn.calls == []
    assert turn.text.startswith("All is done:")
    assert '<lookup {"topic":"read hello"}>' in turn.text


@pytest.mark.parametrize(
    "end",
    ["goaway:", "drop:", "reset: CANCEL", "eof:", "no-turn:", "truncate: garbage", "fail: s9d"],
)
def test_however_a_held_run_ends_the_turn_goes_on(
    simulator: CursorSimulator, shared: Gateway, end: str
) -> None:
    simulator.play(f"tool: clock\nwait: 50ms\n{end}\n---\ntext: It is late.")
    talk = ChatTalk(shared, True, model=MODEL)
    turn = talk.say("What time is it?")
    held = simulator.runs[0]
    simulator.wait(lambda: held.phase == "ended")
    assert talk.give(results_for(turn)).text == "It is late."
    assert [run.resumes for run in simulator.runs] == [False, True]


def test_a_server_that_goes_while_it_is_answered_is_replaced(
    simulator: CursorSimulator, talk: Talk
) -> None:
    """The results were written, but the run broke off before a word came."""
    simulator.play("tool: clock\n---\ndrop: times=1\ntext: It is late.")
    turn = talk.say("What time is it?")
    assert talk.give(results_for(turn)).text == "It is late."
    assert [run.resumes for run in simulator.runs] == [False, True]


@pytest.mark.parametrize(("end", "status", "runs"), [("fail: s92", 429, 1), ("fail: s94", 502, 1)])
def test_an_error_for_results_is_told(
    simulator: CursorSimulator, shared: Gateway, end: str, status: int, runs: int
) -> None:
    simulator.play(f"tool: clock\n---\n{end}")
    talk = ChatTalk(shared, True, model=MODEL)
    turn = talk.say("What time is it?")
    with pytest.raises(openai.APIStatusError) as raised:
        talk.give(results_for(turn))
    assert (raised.value.status_code, len(simulator.runs)) == (status, runs)


def test_the_same_words_twice_are_two_conversations(simulator: CursorSimulator, talk: Talk) -> None:
    """Whose results they are is known by the calls, not by how a conversation began."""
    simulator.play("tool: clock\n---\necho: results")
    # One of three classes that are made alike.
    other = type(talk)(talk.gateway, True, model=MODEL)  # type: ignore[attr-defined,call-arg]
    mine, theirs = talk.say("What time is it?"), other.say("What time is it?")
    assert mine.calls[0].id != theirs.calls[0].id
    assert talk.give({mine.calls[0].id: "nine"}).text == "nine"
    assert other.give({theirs.calls[0].id: "ten"}).text == "ten"


def test_many_conversations_at_once(simulator: CursorSimulator, shared: Gateway) -> None:
    simulator.play("wait: 50ms\ntool: clock\n---\necho: results")

    def converse(number: int) -> str:
        talk = ChatTalk(shared, True, model=MODEL)
        turn = talk.say("What time is it?" if number % 2 else f"What time is it, {number}?")
        return talk.give({turn.calls[0].id: f"It is {number}."}).text

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(converse, range(16)))
    assert said == [f"It is {number}." for number in range(16)]


def test_a_run_is_held_for_its_time(simulator: CursorSimulator, tmp_path: Path) -> None:
    simulator.play(THREE_STEPS)
    settings = {"providers.cursor.held_seconds": 0.2}
    with cursor_gateway(simulator, tmp_path, settings) as gateway:
        talk = ChatTalk(gateway, True, model=MODEL)
        turn = talk.say("Do the three steps")
        held = simulator.runs[0]
        simulator.wait(lambda: held.left)
        assert held.reset_code == 8
        assert len(talk.give(results_for(turn)).calls) == 2
    assert [run.resumes for run in simulator.runs] == [False, True]


def test_a_run_that_is_held_shows_that_somebody_is_there(
    simulator: CursorSimulator, tmp_path: Path
) -> None:
    simulator.play("tool: clock\n---\ntext: It is late.")
    with cursor_gateway(simulator, tmp_path, pace=Pace(heartbeat=0.02)) as gateway:
        talk = ChatTalk(gateway, True, model=MODEL)
        turn = talk.say("What time is it?")
        held = simulator.runs[0]
        beaten = len(held.heartbeats)
        simulator.wait(lambda: len(held.heartbeats) > beaten + 5)
        assert talk.give(results_for(turn)).text == "It is late."
    assert len(simulator.runs) == 1


@pytest.mark.parametrize("script", ["stall:", "silence:", "tool: clock\n---\nstall:"])
def test_a_run_that_is_stuck_is_given_up(
    simulator: CursorSimulator, tmp_path: Path, script: str
) -> None:
    """With heartbeats and nothing else, or with not even those."""
    simulator.backend.heartbeat = 0.02
    simulator.play(script)
    pace = Pace(heartbeat=0.05, silence=0.3, progress=0.5)
    with cursor_gateway(simulator, tmp_path, pace=pace) as gateway:
        talk = ChatTalk(gateway, True, model=MODEL)
        with pytest.raises(openai.APIStatusError) as raised:
            talk.give(results_for(talk.say("What time is it?")))
    assert raised.value.status_code == 504
    simulator.wait(lambda: all(run.left for run in simulator.runs))
    assert {run.reset_code for run in simulator.runs} == {8}


def test_no_more_runs_are_held_than_allowed(simulator: CursorSimulator, tmp_path: Path) -> None:
    simulator.play("tool: clock\n---\ntext: It is late.")
    settings = {"providers.cursor.held_runs": 2}
    with cursor_gateway(simulator, tmp_path, settings) as gateway:
        talks = [ChatTalk(gateway, True, model=MODEL) for _ in range(3)]
        turns = [talk.say(f"What time is it, {n}?") for n, talk in enumerate(talks)]
        oldest = simulator.runs[0]
        simulator.wait(lambda: oldest.left)
        assert [run.phase for run in simulator.runs] == ["ended", "waiting", "waiting"]
        for talk, turn in zip(talks, turns, strict=True):
            assert talk.give(results_for(turn)).text == "It is late."
    assert len(simulator.runs) == 4
    assert simulator.runs[-1].resumes


def test_nothing_is_held_when_nothing_may_be(simulator: CursorSimulator, tmp_path: Path) -> None:
    simulator.play(THREE_STEPS)
    settings = {"providers.cursor.held_runs": 0}
    with cursor_gateway(simulator, tmp_path, settings) as gateway:
        talk = AnthropicTalk(gateway, True, model=MODEL)
        turn = talk.say("Do the three steps")
        for _ in range(3):
            turn = talk.give(results_for(turn))
        assert_done(turn)
    assert [run.turn for run in simulator.runs] == [0, 1, 2, 3]


def test_a_gateway_that_stops_leaves_nothing_behind(
    simulator: CursorSimulator, tmp_path: Path
) -> None:
    simulator.play("tool: clock\n---\ntext: never")
    with cursor_gateway(simulator, tmp_path) as gateway:
        for number in range(5):
            ChatTalk(gateway, True, model=MODEL).say(f"What time is it, {number}?")
        assert {run.phase for run in simulator.runs} == {"waiting"}
    simulator.wait(lambda: all(run.left for run in simulator.runs))
    assert [run.reset_code for run in simulator.runs] == [8] * 5


def test_another_turn_of_the_user_drops_what_is_held(
    simulator: CursorSimulator, talk: Talk
) -> None:
    """The client gave up its tools: it says something else, with no results."""
    simulator.play("match: Never mind\ntext: As you like.\n---\nmatch: time\ntool: clock\n")
    talk.more["metadata" if isinstance(talk, AnthropicTalk) else "user"] = (
        {"user_id": "ann"} if isinstance(talk, AnthropicTalk) else "ann"
    )
    turn = talk.say("What time is it?")
    assert len(turn.calls) == 1
    history = talk.items if isinstance(talk, ResponsesTalk) else None
    if history is None:
        assert isinstance(talk, AnthropicTalk | ChatTalk)
        history = talk.messages
    del history[-1]
    if isinstance(talk, ResponsesTalk):
        history[:] = history[:1]
    assert talk.say("Never mind").text == "As you like."
    held = simulator.runs[0]
    simulator.wait(lambda: held.left)
    assert held.reset_code == 8


def test_a_change_of_tools_begins_a_run_of_its_own(simulator: CursorSimulator, talk: Talk) -> None:
    """What a run was told cannot be changed; the history is replayed instead."""
    simulator.play("tool: clock\n---\ntext: It is late.")
    turn = talk.say("What time is it?")
    talk.more["tools"] = []
    assert talk.give(results_for(turn)).text == "It is late."
    first, second = simulator.runs
    simulator.wait(lambda: first.left)
    assert first.reset_code == 8
    assert (len(first.tools), len(second.tools)) == (3, 0)


def test_what_is_asked_while_tools_run_is_answered(simulator: CursorSimulator, talk: Talk) -> None:
    simulator.play("""\
tool: clock
wait: 50ms
ask: read_args {"path": "a"}
keep: a note
query: web_search_request_query {"args": {"search_term": "h2"}}
text: Meanwhile.
---
text: It is late.
""")
    turn = talk.say("What time is it?")
    held = simulator.runs[0]
    simulator.wait(lambda: held.phase == "waiting" and len(held.answered) == 3)
    assert talk.give(results_for(turn)).text.strip() == "Meanwhile.It is late."
    assert len(simulator.runs) == 1


def test_results_come_twice(simulator: CursorSimulator, talk: Talk) -> None:
    """A client that asks again with the same results is not given the run of somebody else."""
    simulator.play("tool: clock\n---\ntext: It is late.")
    turn = talk.say("What time is it?")
    given = results_for(turn)
    history = talk.items if isinstance(talk, ResponsesTalk) else None
    if history is None:
        assert isinstance(talk, AnthropicTalk | ChatTalk)
        history = talk.messages
    before = list(history)
    assert talk.give(given).text == "It is late."
    history[:] = before
    assert talk.give(given).text == "It is late."
    assert [run.resumes for run in simulator.runs] == [False, True]


def test_a_question_beside_it_leaves_a_held_run_alone(
    simulator: CursorSimulator, shared: Gateway
) -> None:
    """Claude Code has pages summed up while its agent waits for them, in the same session."""
    agents = "match: time\ntool: clock\n---\nmatch: time\ntext: Late."
    simulator.play(f"match: Sum up\ntext: Short.\n---\n{agents}")
    session = {"extra_headers": {"x-claude-code-session-id": "s-1"}}
    agent = AnthropicTalk(shared, True, model=MODEL, more=dict(session))
    turn = agent.say("What time is it?")
    helper = AnthropicTalk(shared, True, model=MODEL, more={**session, "tools": []})
    assert helper.say("Sum up this page").text == "Short."
    assert agent.give(results_for(turn)).text == "Late."
    first, second = simulator.runs
    assert first.conversation != second.conversation
