"""What a row of the mutation table is, and the demo provider as the kit is handed it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gateway_core.testing.subject import Subject
from gateway_core.testing.transcripts import Transcript, load_transcripts
from gateway_demo.plugin import DemoProvider

__all__ = ["TRANSCRIPTS", "Make", "Mutant", "demo_subject", "demo_transcripts"]

TRANSCRIPTS = Path(__file__).parents[2] / "demo" / "transcripts"

Make = Callable[[], object]


def demo_subject(make: Make = DemoProvider) -> Subject:
    """The demo provider, or a variation of it, with everything that its author gives the kit."""
    return Subject(make=make, transcripts=demo_transcripts())


@cache
def demo_transcripts() -> Sequence[Transcript]:
    """Read once for all mutants."""
    return load_transcripts(TRANSCRIPTS)


@dataclass(slots=True, frozen=True)
class Mutant:
    """One fault and the case that must see it.

    fault: what the plugin does wrong, in a few words. case: the id of the case. plugin: the faulty
    plugin, mostly a subclass of `DemoProvider` that overrides one hook (marked with `hookimpl`).
    seen: words that the failure must say, so that it fails for this fault. honest: the same plugin
    without the fault. subject: how a plugin is handed to the kit.
    """

    fault: str
    case: str
    plugin: Make
    seen: str = ""
    honest: Make = DemoProvider
    subject: Callable[[Make], Subject] = demo_subject

    def __str__(self) -> str:
        return f"{self.case}-{self.fault}".replace(" ", "-")
