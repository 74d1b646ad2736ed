"""Transcripts: upstream answers as bytes on disk, and what they are expected to mean.

A transcript is a file named by its feature (`tool-call.sse`), with the upstream's bytes exactly as
they come. A file of the same stem with the suffix `.toml` says what must come out of it; without
one, the answer must end in `End`:

    model = "mine-1"                     # asked for; the provider's first model when absent
    status = 200                         # of the response; any but 2xx: the body of an HTTP error
    headers = { x-request-id = "r1" }    # of the response, lower case
    request = "tools-function"           # the conversation that was asked; a plain text by default
    [expect]
    end = "tool_use"                     # the stop reason, or
    error = "rate_limited"               # the kind of the error that it fails with
    text = "Hello"                       # all text of the answer
    reasoning = "Hm"                     # all reasoning in clear
    tools = [{ name = "get_weather", arguments = '{"city":"Paris"}' }]
    usage = { input = 12, output = 5 }   # those counts that must come out
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Expectation", "Transcript", "load_transcripts"]

_FACTS = {"model", "status", "headers", "request", "expect"}


@dataclass(slots=True, frozen=True)
class Expectation:
    """What must come out of a transcript; None where the author says nothing."""

    end: str | None = None
    error: str | None = None
    text: str | None = None
    reasoning: str | None = None
    tools: Sequence[Mapping[str, str]] | None = None
    usage: Mapping[str, int] | None = None


@dataclass(slots=True, frozen=True)
class Transcript:
    """One upstream answer. `suffix` is the file's, without the dot: it tells the framing."""

    name: str
    data: bytes
    suffix: str = ""
    model: str | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    request: str | None = None
    expect: Expectation = Expectation()

    @property
    def is_stream(self) -> bool:
        """Whether a decoder reads it, rather than `gateway_error`."""
        return 200 <= self.status < 300

    def __str__(self) -> str:
        return self.name


def load_transcripts(folder: Path) -> list[Transcript]:
    """All transcripts of a folder, by name. Raises `ValueError` that names the file at fault."""
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}: put transcripts of the upstream there")
    paths = sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and path.suffix != ".toml" and not path.name.startswith(".")
    )
    return [_load(path) for path in paths]


def _load(path: Path) -> Transcript:
    facts: dict[str, Any] = {}
    beside = path.with_suffix(".toml")
    try:
        if beside.exists():
            facts = tomllib.loads(beside.read_text("utf-8"))
        if unknown := sorted(facts.keys() - _FACTS):
            raise ValueError(f"unknown {', '.join(unknown)}; known are {', '.join(sorted(_FACTS))}")
        expect = Expectation(**facts.pop("expect", {}))
        return Transcript(path.stem, path.read_bytes(), path.suffix[1:], **facts, expect=expect)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{beside}: {error}") from error
