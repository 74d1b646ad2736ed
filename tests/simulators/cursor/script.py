"""What the simulated models do: a script of sections, each one step of the model.

The language is that of `simulators.codex.script`: a line that starts with a verb begins a step,
`---` ends a section, `match: words` limits it to prompts with these words. A section with tool
calls waits at its end for all results; then the next section follows, on the same run or, when that
is gone, on the one that replays the history. Any other section ends the turn. The verbs:

- content: `think`, `text`, `burst: 20000` (words, one delta each), `tool: name {"json": 1}`
  (neighbours are parallel calls), `echo: results` (or `images`, `tools`, `prompt`, `system`,
  `entries`, `mode`, `model`: text that tells what came)
- what must be answered: `ask: read_args {"path": "a"}` (any member of `ExecServerMessage`, or
  `unknown`), `probe: name` (may it run?), `query: web_search_request_query {...}` (any member of
  `InteractionQuery`, or `unknown`), `keep: text` (a blob, which is asked for again), `miss`
  (asks for a blob that nobody has)
- what needs no answer: `native: shell_tool_call`, `refused: name` (a call that Cursor refuses by
  itself), `summary`, `odd` (members that nobody knows), `abort: 0` (withdraws a call by number)
- shape of the stream: `shape: serial gzip ...` (see `SHAPES`)
- about itself: `usage: input=9 output=2 read=4 write=1 reasoning=1`, `context: 11085 200000`
- ends: `fail: s92` (a recorded one), `fail: unavailable [number=25]
  [retryable=true] [status=429] [words]`, `reset: CANCEL`,
  `goaway`, `drop` (the connection ends), `truncate: payload` (or `head`, `garbage`, `huge`),
  `eof` (no last envelope), `no-turn` (a last envelope, but the turn did not end), `open` (the turn
  ends, the stream does not), `stall` (heartbeats only), `silence` (not even those)
- between: `wait: 200ms`

`times=1` at a way to end makes it happen for that many attempts of the step.
"""

from collections.abc import Mapping
from typing import Final

from gateway_core.json import JsonObject, loads_object
from simulators.codex.script import (
    PARSERS,
    Parser,
    Section,
    for_attempt,
    read_options,
    read_times,
    steps_for,
)
from simulators.codex.script import parse_script as parse_with

__all__ = ["END_VERBS", "SHAPES", "Section", "for_attempt", "parse_script", "steps_for"]

SHAPES: Final = frozenset(
    {
        "arguments-late",  # calls are announced long before their arguments come
        "coalesced",  # messages share the frames of HTTP/2
        "gzip",  # envelopes are compressed
        "ids-odd",  # ids of calls hold a line break
        "names-dashed",  # the model calls `<provider>-<tool>`
        "names-lower",  # the model calls the tool in lower case
        "names-prefixed",  # the model calls `mcp_<provider>_<tool>`
        "no-announce",  # calls come without a notice
        "no-checkpoint",  # nor a checkpoint after calls
        "no-step",  # nor the end of a step
        "no-usage",  # the end of the turn tells no tokens
        "partial",  # arguments are told while they grow
        "serial",  # a call comes when the one before is answered
        "split",  # a few bytes at a time
        "step-first",  # the end of the step comes before the checkpoint
    }
)


def parse_script(text: str) -> list[Section]:
    """The sections that have steps. Raises `ValueError` with the line that makes no sense."""
    return parse_with(text, _PARSERS)


def _named(argument: str) -> JsonObject:
    name, *rest = argument.split(None, 1)
    return {"name": name, "members": loads_object(rest[0]) if rest else {}}


def _shape(argument: str) -> JsonObject:
    if unknown := set(argument.split()) - SHAPES:
        raise ValueError(f"unknown shapes {unknown}")
    return {"shapes": argument.split()}


def _fail(argument: str) -> JsonObject:
    (code, *words), options = read_options(argument)
    step: JsonObject = {"code": code, "words": " ".join(words), "options": options}
    return step | read_times(options)


def _word(argument: str) -> JsonObject:
    words, options = read_options(argument)
    return {"word": " ".join(words)} | read_times(options)


def _context(argument: str) -> JsonObject:
    used, window = map(int, argument.split())
    return {"used": used, "window": window}


END_VERBS: Final = (
    "fail",
    "reset",
    "goaway",
    "drop",
    "truncate",
    "eof",
    "no-turn",
    "open",
    "stall",
    "silence",
)
_PARSERS: Final[Mapping[str, Parser]] = {
    **{verb: PARSERS[verb] for verb in ("think", "text", "burst", "wait", "usage")},
    "tool": _named,
    "echo": _word,
    "ask": _named,
    "probe": _word,
    "query": _named,
    "keep": PARSERS["text"],
    "miss": _word,
    "native": _word,
    "refused": _word,
    "summary": _word,
    "odd": _word,
    "abort": _word,
    "shape": _shape,
    "context": _context,
    "fail": _fail,
    **dict.fromkeys(END_VERBS[1:], _word),
}
