"""Runs that wait for results: who gets them, and when they are given up."""

from collections.abc import AsyncIterator, Callable

import pytest

from gateway_cursor.held import HeldRun, HeldRuns
from gateway_cursor.live import LiveRun, Pace
from gateway_cursor.proto import agent_pb2 as pb
from support.cursor_runs import call, new_run, update
from support.cursor_wire import FakeWire

STEP = update(step_completed=pb.StepCompletedUpdate(step_id=1))


class Waiting:
    """A run that waits for the results of two calls, `<name>-1` and `<name>-2`."""

    def __init__(self, name: str) -> None:
        self.calls = {f"{name}-1", f"{name}-2"}
        self.wire = FakeWire()
        self.live = LiveRun(new_run(), self.wire, Pace(), lambda: None)
        self._calls = call(2, id=f"{name}-1") + call(3, id=f"{name}-2") + STEP

    async def held(
        self,
        fingerprint: str = "same",
        account: str = "me",
        conversation: str = "chat",
        login: str = "first",
    ) -> HeldRun:
        self.wire.answer(self._calls)
        await self.live.settled()
        return HeldRun(self.live, account, login, fingerprint, conversation, "claimed")


@pytest.fixture
def lost() -> list[HeldRun]:
    """Runs that nobody can take any more."""
    return []


@pytest.fixture
def runs(lost: list[HeldRun]) -> HeldRuns:
    return HeldRuns(lost.append)


@pytest.fixture
async def waiting() -> AsyncIterator[Callable[[str], Waiting]]:
    made: list[Waiting] = []

    def make(name: str) -> Waiting:
        made.append(Waiting(name))
        return made[-1]

    yield make
    for one in made:
        await one.live.aclose()


async def test_a_run_is_taken_by_its_calls_and_only_once(
    waiting: Callable[[str], Waiting], runs: HeldRuns
) -> None:
    first, second = await waiting("a").held(), await waiting("b").held()
    for held in (first, second):
        runs.hold(held, seconds=60.0, most=64)
    assert runs.take("me", "same", "chat", ["b-2", "b-1"]) is second
    assert runs.take("me", "same", "chat", ["b-2", "b-1"]) is None
    assert runs.take("me", "same", "chat", ["a-1", "a-2"]) is first
    assert not first.live.over


@pytest.mark.parametrize(
    ("account", "calls"),
    [("you", ["a-1", "a-2"]), ("me", ["a-1", "b-1"]), ("me", ["c-1"]), ("me", [])],
)
async def test_a_run_of_others_is_left_alone(
    waiting: Callable[[str], Waiting], runs: HeldRuns, account: str, calls: list[str]
) -> None:
    held = await waiting("a").held()
    runs.hold(held, seconds=60.0, most=64)
    assert runs.take(account, "same", "chat", calls) is None
    assert (len(runs), held.live.over) == (1, False)


async def test_calls_that_are_only_counted_belong_to_their_conversation(
    waiting: Callable[[str], Waiting], runs: HeldRuns
) -> None:
    """Some models have a `call_0` in each answer."""
    made = {chat: await waiting("call").held(conversation=chat) for chat in ("one", "two")}
    for held in made.values():
        runs.hold(held, seconds=60.0, most=64)
    calls = ["call-1", "call-2"]
    assert runs.take("me", "same", "three", calls) is None
    assert runs.take("me", "same", "two", calls) is made["two"]
    assert runs.take("me", "same", "one", calls) is made["one"]


async def test_other_calls_are_enough_to_know_a_run_by(
    waiting: Callable[[str], Waiting], runs: HeldRuns
) -> None:
    """A client that shortens its history has another conversation, as far as one can tell."""
    held = await waiting("toolu_01A09q90qw90lq").held(conversation="before")
    runs.hold(held, seconds=60.0, most=64)
    assert runs.take("me", "same", "after", list(held.calls)) is held


async def test_some_of_the_results_are_enough(
    waiting: Callable[[str], Waiting], runs: HeldRuns
) -> None:
    held = await waiting("a").held()
    runs.hold(held, seconds=60.0, most=64)
    assert runs.take("me", "same", "chat", ["a-2"]) is held


async def test_a_run_that_cannot_go_on_is_dropped(
    waiting: Callable[[str], Waiting], runs: HeldRuns
) -> None:
    run = waiting("a")
    runs.hold(await run.held(fingerprint="old"), seconds=60.0, most=64)
    assert runs.take("me", "new", "chat", ["a-1", "a-2"]) is None
    assert (len(runs), run.wire.closed.is_set()) == (0, True)


async def test_only_the_runs_of_a_conversation_are_dropped_with_it(
    waiting: Callable[[str], Waiting], runs: HeldRuns, lost: list[HeldRun]
) -> None:
    mine, other = waiting("a"), waiting("b")
    runs.hold(await mine.held(conversation="mine"), seconds=60.0, most=64)
    runs.hold(await other.held(conversation="other"), seconds=60.0, most=64)
    runs.drop("mine", "other tools")
    assert (mine.live.over, other.live.over, len(runs)) == (False, False, 2)
    runs.drop("mine", "same")
    assert (mine.live.over, other.live.over, len(runs)) == (True, False, 1)
    assert [held.conversation for held in lost] == ["mine"]


async def test_its_time_is_over_at_some_point(
    waiting: Callable[[str], Waiting], runs: HeldRuns
) -> None:
    run = waiting("a")
    runs.hold(await run.held(), seconds=0.01, most=64)
    await run.wire.closed.wait()
    assert len(runs) == 0
    assert runs.take("me", "same", "chat", ["a-1", "a-2"]) is None


async def test_the_oldest_makes_room(waiting: Callable[[str], Waiting], runs: HeldRuns) -> None:
    made = [waiting(name) for name in "abc"]
    for run in made:
        runs.hold(await run.held(), seconds=60.0, most=2)
    assert [run.live.over for run in made] == [True, False, False]


async def test_none_is_held_where_none_may_be(
    waiting: Callable[[str], Waiting], runs: HeldRuns, lost: list[HeldRun]
) -> None:
    run = waiting("a")
    runs.hold(await run.held(), seconds=60.0, most=0)
    assert (len(runs), len(lost), run.wire.closed.is_set()) == (0, 1, True)


async def test_a_run_that_is_over_is_not_held(
    waiting: Callable[[str], Waiting], runs: HeldRuns
) -> None:
    held = await waiting("a").held()
    await held.live.aclose()
    runs.hold(held, seconds=60.0, most=64)
    assert len(runs) == 0


async def test_a_run_that_ended_meanwhile_is_not_given(
    waiting: Callable[[str], Waiting], runs: HeldRuns
) -> None:
    held = await waiting("a").held()
    runs.hold(held, seconds=60.0, most=64)
    await held.live.aclose()
    assert runs.take("me", "same", "chat", ["a-1"]) is None
    assert len(runs) == 0


async def test_a_run_that_ends_by_itself_is_forgotten(
    waiting: Callable[[str], Waiting], runs: HeldRuns
) -> None:
    held = await waiting("a").held()
    runs.hold(held, seconds=60.0, most=64)
    runs.forget(held.live)
    assert len(runs) == 0


async def test_runs_of_a_login_that_is_over_are_dropped(
    waiting: Callable[[str], Waiting], runs: HeldRuns, lost: list[HeldRun]
) -> None:
    old, new = await waiting("a").held(), await waiting("b").held(login="second")
    others = await waiting("c").held(account="you")
    for held in (old, new, others):
        runs.hold(held, seconds=60.0, most=64)
    runs.drop_logins("me", but="second")
    assert lost == [old]
    runs.drop_logins("me")
    assert lost == [old, new]
    assert (len(runs), others.live.over) == (1, False)
