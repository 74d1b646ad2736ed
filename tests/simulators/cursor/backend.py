"""What runs share: the script, the conversations that are known, the faults that wait.

No HTTP in here. A test changes it while the server runs.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway_core.json import JsonObject
from simulators.cursor.run import Run
from simulators.cursor.script import Section, for_attempt, parse_script, steps_for
from simulators.cursor.state import CursorState

__all__ = ["Backend"]

_PATIENCE_SECONDS = 10.0


@dataclass(slots=True)
class Backend:
    """The shared part of all runs. `runs` are all of them, oldest first.

    script: what the models do. before: what happens to the next runs before anything is read
    (`http 503`, `reset REFUSED_STREAM`, `goaway`, `drop`, `fail s91`). heartbeat: seconds between
    those of the server. refuses_resuming: whether histories that end with results are refused
    unless they are told in words. strays: what was wrong outside of any run.
    """

    state: CursorState
    script: list[Section] = field(default_factory=list)
    before: deque[str] = field(default_factory=deque)
    runs: list[Run] = field(default_factory=list)
    attempts: Counter[tuple[str, int]] = field(default_factory=Counter)
    models: dict[str, str] = field(default_factory=dict)
    poisoned: set[str] = field(default_factory=set)
    request_ids: set[str] = field(default_factory=set)
    heartbeat: float = 10.0
    refuses_resuming: bool = False
    strays: list[str] = field(default_factory=list)
    condition: threading.Condition = field(default_factory=threading.Condition)

    def play(self, script: str) -> None:
        """From now on the models go by this script; see `simulators.cursor.script`."""
        self.script = parse_script(script)
        self.attempts.clear()

    def steps(self, run: Run) -> list[JsonObject]:
        """What the model does now; it says so when the script is over."""
        place = run.prompt, run.turn
        self.attempts[place] += 1
        run.attempt = self.attempts[place]
        steps = steps_for(self.script, *place)
        if steps is None:
            return [{"do": "text", "text": "The script is over."}]
        return for_attempt(steps, run.attempt)

    def changed(self) -> None:
        """Tell those who wait that something happened."""
        with self.condition:
            self.condition.notify_all()

    def wait(self, until: Callable[[], object]) -> None:
        """Wait until something is so. Raises `AssertionError` when it does not come to it."""
        with self.condition:
            came = self.condition.wait_for(until, _PATIENCE_SECONDS)
        assert came, f"it never came to it; the runs: {self.runs}"

    def forget(self) -> None:
        """Begin anew for the next test: nothing was asked, and nothing is out of the ordinary."""
        self.script = []
        self.before.clear()
        self.runs = []
        self.attempts.clear()
        self.models.clear()
        self.poisoned.clear()
        self.strays.clear()
        self.heartbeat = 10.0
        self.refuses_resuming = False
