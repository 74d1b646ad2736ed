"""A run on the wire, without a socket: what is sent unasked, and how long the server may be silent.

Waits are real but short; each ends with an event.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TypeAlias

import pytest

from gateway_core import UpstreamFailed, UpstreamTimeout
from gateway_cursor.connect import END, TURN_OVER, frame
from gateway_cursor.live import LiveRun, Pace
from gateway_cursor.proto import agent_pb2 as pb
from gateway_cursor.run import Run
from support.cursor_runs import call, ended, execs, new_run, says, text_result, update
from support.cursor_wire import FakeWire

STEP = update(step_completed=pb.StepCompletedUpdate(step_id=1))
HEARTBEAT = update(heartbeat=pb.HeartbeatUpdate())
QUICK = 0.005

Begin: TypeAlias = Callable[[Pace], LiveRun]


@pytest.fixture
def wire() -> FakeWire:
    return FakeWire()


@pytest.fixture
async def begin(wire: FakeWire) -> AsyncIterator[Begin]:
    begun: list[LiveRun] = []

    def begin(pace: Pace) -> LiveRun:
        begun.append(LiveRun(new_run(), wire, pace, lambda: None))
        return begun[-1]

    yield begin
    for live in begun:
        await live.aclose()


async def shown(live: LiveRun) -> bytes:
    """The whole display of a turn."""
    data = b""
    while part := await live.display():
        data += part[0]
        if part[1]:
            break
    return data


async def parked(live: LiveRun, wire: FakeWire) -> None:
    """Have it wait for the result of a call."""
    wire.answer(call() + STEP)
    assert (await shown(live)).endswith(TURN_OVER)


class TestHeartbeats:
    async def test_they_begin_with_the_run(self, begin: Begin, wire: FakeWire) -> None:
        begin(Pace(heartbeat=QUICK))
        assert wire.sent[0].HasField("run_request")
        await wire.until_heartbeats(3)

    async def test_they_go_on_while_the_run_waits(self, begin: Begin, wire: FakeWire) -> None:
        live = begin(Pace(heartbeat=QUICK))
        await parked(live, wire)
        await wire.until_heartbeats(3)

    async def test_they_come_at_their_pace_however_much_is_said(
        self, begin: Begin, wire: FakeWire
    ) -> None:
        live = begin(Pace(heartbeat=60.0))
        wire.answer(*[says("x")] * 50, ended(input_tokens=1))
        wire.end()
        await shown(live)
        assert wire.heartbeats() == 0

    async def test_they_end_with_the_turn(self, begin: Begin, wire: FakeWire) -> None:
        live = begin(Pace(heartbeat=QUICK, goodbye=10 * QUICK))
        wire.answer(says("Hi") + ended(input_tokens=1))
        await wire.half_closed.wait()
        count = wire.heartbeats()
        await shown(live)
        assert wire.heartbeats() == count


class TestSilence:
    async def test_a_server_that_does_not_begin(self, begin: Begin) -> None:
        live = begin(Pace(answer=QUICK))
        with pytest.raises(UpstreamTimeout, match=r"did not begin to answer for 0\.005 s"):
            await live.display()

    async def test_a_server_that_says_nothing_more(self, begin: Begin, wire: FakeWire) -> None:
        live = begin(Pace(silence=QUICK))
        wire.answer(says("Once"))
        assert await live.display()
        with pytest.raises(UpstreamTimeout, match=r"sent nothing for 0\.005 s"):
            await live.display()
        await wire.closed.wait()

    async def test_a_server_that_only_beats(self, begin: Begin, wire: FakeWire) -> None:
        live = begin(Pace(heartbeat=QUICK, progress=10 * QUICK))
        wire.answer(says("Once"))
        assert await live.display()

        async def beat() -> None:
            while True:
                await wire.until_heartbeats(1)
                wire.answer(HEARTBEAT)

        beating = asyncio.create_task(beat())
        with pytest.raises(UpstreamTimeout, match=r"sent only heartbeats for 0\.05 s"):
            await live.display()
        beating.cancel()

    async def test_questions_and_thoughts_are_progress(self, begin: Begin, wire: FakeWire) -> None:
        live = begin(Pace(heartbeat=QUICK, progress=40 * QUICK))
        thought = update(thinking_delta=pb.ThinkingDeltaUpdate(text="hm"))
        question = execs(2, request_context_args=pb.RequestContextArgs())
        for progress in (thought, question) * 25:
            await wire.until_heartbeats(1)
            wire.answer(progress)
        assert not live.over

    async def test_a_run_that_waits_may_hear_nothing(self, begin: Begin, wire: FakeWire) -> None:
        live = begin(Pace(heartbeat=QUICK, silence=20 * QUICK, progress=20 * QUICK))
        await parked(live, wire)
        await wire.until_heartbeats(25)
        assert not live.over

    async def test_a_connection_that_died_meanwhile_is_noticed_at_once(
        self, begin: Begin, wire: FakeWire
    ) -> None:
        live = begin(Pace(heartbeat=60.0, echo=QUICK))
        await parked(live, wire)
        wire.dead = True
        live.resume([text_result("toolu_2", "x")])
        with pytest.raises(UpstreamTimeout, match="is not there any more"):
            await live.display()

    async def test_one_that_gives_a_sign_of_life_has_time(
        self, begin: Begin, wire: FakeWire
    ) -> None:
        live = begin(Pace(heartbeat=QUICK, echo=10 * QUICK))
        await parked(live, wire)
        live.resume([text_result("toolu_2", "x")])
        await wire.until_heartbeats(15)
        assert not live.over

    async def test_once_it_goes_on_the_time_runs_again(self, begin: Begin, wire: FakeWire) -> None:
        live = begin(Pace(heartbeat=QUICK, silence=20 * QUICK))
        await parked(live, wire)
        await wire.until_heartbeats(25)
        live.resume([text_result("toolu_2", "x")])
        wire.answer(says("On"))
        assert await live.display()
        with pytest.raises(UpstreamTimeout, match="sent nothing"):
            await live.display()


class TestEnd:
    async def test_a_stream_that_is_left_open_is_dropped(
        self, begin: Begin, wire: FakeWire
    ) -> None:
        live = begin(Pace(goodbye=QUICK))
        wire.answer(says("Hi") + ended(input_tokens=1))
        assert await shown(live)
        assert (live.over, live.error, wire.half_closed.is_set()) == (True, None, True)
        await wire.closed.wait()

    async def test_a_connection_that_breaks_off_then_is_no_failure(
        self, begin: Begin, wire: FakeWire
    ) -> None:
        live = begin(Pace())
        wire.answer(says("Hi") + ended(input_tokens=1))
        wire.end(UpstreamFailed("gone"))
        assert await shown(live)
        assert live.error is None

    async def test_what_came_before_a_failure_is_shown_first(
        self, begin: Begin, wire: FakeWire
    ) -> None:
        live = begin(Pace())
        wire.answer(says("Hi"))
        wire.end(UpstreamFailed("gone"))
        assert await live.display()
        with pytest.raises(UpstreamFailed, match="gone"):
            await live.display()

    async def test_a_run_that_nobody_reads_is_brought_to_its_end(
        self, begin: Begin, wire: FakeWire
    ) -> None:
        live = begin(Pace(goodbye=60.0))
        wire.answer(says("Hi") + ended(input_tokens=1))
        assert await live.display()
        live.leave()
        assert not wire.closed.is_set()
        wire.answer(update(token_delta=pb.TokenDeltaUpdate(tokens=1)))
        wire.end()
        await wire.closed.wait()

    async def test_the_words_of_another_status_are_kept(self, begin: Begin, wire: FakeWire) -> None:
        live = begin(Pace())
        wire.answer(b'{"code":', b'"internal"}', status=500)
        wire.end()
        await live.settled()
        assert (live.status, live.body) == (500, b'{"code":"internal"}')

    async def test_words_that_break_off_are_kept_as_far_as_they_came(
        self, begin: Begin, wire: FakeWire
    ) -> None:
        live = begin(Pace(silence=QUICK))
        wire.answer(b'{"code":', status=500)
        await live.settled()
        assert (live.body, live.error) == (b'{"code":', None)


class TestSettling:
    async def test_a_run_is_settled_with_the_first_word(self, begin: Begin, wire: FakeWire) -> None:
        live = begin(Pace(patience=60.0))
        wire.answer(update(token_delta=pb.TokenDeltaUpdate(tokens=1)), says("Hi"))
        await live.settled()
        assert live.visible

    async def test_a_server_that_works_silently_is_not_waited_for(
        self, begin: Begin, wire: FakeWire
    ) -> None:
        live = begin(Pace(patience=QUICK))
        wire.answer(update(token_delta=pb.TokenDeltaUpdate(tokens=1)))
        await live.settled()
        assert (live.visible, live.over) == (False, False)

    async def test_one_that_has_not_begun_to_answer_is(self, begin: Begin) -> None:
        live = begin(Pace(patience=QUICK, answer=10 * QUICK))
        await live.settled()
        assert isinstance(live.error, UpstreamTimeout)


class TestLateCalls:
    async def test_a_call_that_came_while_the_run_waited_is_shown_soon(
        self, begin: Begin, wire: FakeWire
    ) -> None:
        """And not with the next heartbeat, which is the next thing that the run had in mind."""
        live = begin(Pace(heartbeat=60.0))
        await parked(live, wire)
        wire.answer(call(3))
        await wire.until_read(2)
        live.resume([text_result("toolu_2", "x")])
        assert TURN_OVER in await shown(live)


class TestWaiting:
    async def test_a_run_that_fails_while_it_waits_is_over_at_once(
        self, begin: Begin, wire: FakeWire
    ) -> None:
        """Or the next turn could take it for one that still waits."""
        live = begin(Pace())
        await parked(live, wire)
        wire.answer(frame(b'{"error":{"code":"internal"}}', END))
        for _ in range(10):
            await asyncio.sleep(0)
            assert live.over is (live.verdict is not None)
        assert live.over


class TestBugs:
    """What must not happen is told to who reads, and to the log when nobody does."""

    @pytest.fixture
    def broken(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
        def breaks(run: Run, data: bytes, now: float) -> None:
            raise ZeroDivisionError

        return lambda: monkeypatch.setattr(Run, "feed", breaks)

    async def test_a_turn_fails_with_it(
        self, begin: Begin, wire: FakeWire, broken: Callable[[], None]
    ) -> None:
        live = begin(Pace())
        broken()
        wire.answer(says("Hi"))
        with pytest.raises(ZeroDivisionError):
            await live.display()
        await wire.closed.wait()

    async def test_a_held_run_is_logged(
        self,
        begin: Begin,
        wire: FakeWire,
        broken: Callable[[], None],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        live = begin(Pace())
        await parked(live, wire)
        broken()
        wire.answer(HEARTBEAT)
        await wire.closed.wait()
        assert live.over
        assert "a run of Cursor failed while nobody read it" in caplog.text

    async def test_so_is_one_that_is_brought_to_its_end(
        self,
        begin: Begin,
        wire: FakeWire,
        broken: Callable[[], None],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        live = begin(Pace())
        wire.answer(says("Hi"), ended(input_tokens=1))
        await wire.half_closed.wait()
        live.leave()
        broken()
        wire.answer(HEARTBEAT)
        await wire.closed.wait()
        assert "a run of Cursor failed while nobody read it" in caplog.text


class TestBackpressure:
    async def test_a_run_is_read_no_faster_than_the_client_reads(
        self, begin: Begin, wire: FakeWire
    ) -> None:
        live = begin(Pace(heartbeat=QUICK, silence=20 * QUICK, queue=1000))
        wire.answer(*[says("x" * 400)] * 10)
        await wire.until_heartbeats(25)  # and the server is not blamed for the silence
        assert wire.reads == 3
        assert await live.display()
        await wire.until_heartbeats(5)
        assert wire.reads == 6

    async def test_what_waits_is_handed_over_in_pieces(self, begin: Begin, wire: FakeWire) -> None:
        live = begin(Pace())
        wire.answer(*[says("x" * 20_000)] * 10, call() + STEP)
        await wire.until_read(11)
        pieces = [await live.display() for _ in range(6)]
        sizes = [len(piece[0]) for piece in pieces if piece]
        assert sum(sizes) > 200_000
        assert max(sizes) < 60_000
        assert [piece[1] for piece in pieces if piece] == [False] * 5 + [True]
