"""What an answer cost, from the sources that Cursor has for it, the best one first.

Totals come with the end of a run, from newer servers only, and tell of the run as a whole; a turn
that ends with tool calls has but its own count of output, and the size of the context that the
checkpoint tells. A run that goes on over several turns hands on what was reported already.
"""

import math
from collections.abc import Mapping
from typing import Final

from gateway_core import JsonObject, Usage
from gateway_cursor.proto import agent_pb2 as pb

__all__ = ["TokenCount"]

_INPUT: Final = "cursor-reported-input"
_OUTPUT: Final = "cursor-reported-output"
_CONTEXT: Final = "cursor-context"
_BYTES_PER_TOKEN: Final = 4
_IMPLAUSIBLE: Final = 3


class TokenCount:
    """Gathers the figures of one turn; `usage` makes the best of them.

    reported: what `report` gave at the end of the run's turn before, among other headers.
    """

    __slots__ = ("_context", "_input", "_output", "_tokens", "_told", "_written", "checked")

    def __init__(self, reported: Mapping[str, str] | None = None) -> None:
        reported = reported or {}
        self._input = _number(reported.get(_INPUT))
        self._output = _number(reported.get(_OUTPUT))
        self._context = _number(reported.get(_CONTEXT))
        self._told: pb.TurnEndedUpdate | None = None
        self._tokens = 0
        self._written = 0
        self.checked = False
        """Whether a checkpoint told the size of the context in this turn."""

    def wrote(self, text: str) -> None:
        """The model wrote this: words, thoughts, or the arguments of a call."""
        self._written += len(text) if text.isascii() else len(text.encode("utf-8", "replace"))

    def tokens(self, number: int) -> None:
        """As many more tokens of output."""
        self._tokens += max(0, number)

    def context(self, used: int) -> None:
        """The size of the context, the answer so far included."""
        if used:
            self._context = used
            self.checked = True

    def ended(self, told: pb.TurnEndedUpdate) -> bool:
        """The totals of the run; False when there are none, as from older servers."""
        if not (told.input_tokens or told.output_tokens):
            return False
        self._told = told
        return True

    def usage(self, estimate: int | None = None) -> Usage:
        """The totals of this turn. estimate: about how many tokens the request has."""
        output = self._tokens or math.ceil(self._written / _BYTES_PER_TOKEN)
        told = self._told
        if told is None:
            input = max(0, self._context - output) if self._context else estimate
            return Usage(input=input, output=output, raw=self._facts())
        if told.HasField("output_tokens"):
            output = max(told.output_tokens - self._output, self._tokens)
        input = self._own_input(told.input_tokens)
        read = max(0, told.cache_read_tokens)
        if self._context and read > _IMPLAUSIBLE * self._context:
            # The sum over several steps: each of them read the same.
            input = min(input, self._context)
        read = min(read, input)
        return Usage(
            input=input,
            cache_read=read if told.HasField("cache_read_tokens") else None,
            cache_write=(
                min(max(0, told.cache_write_tokens), input - read)
                if told.HasField("cache_write_tokens")
                else None
            ),
            output=output,
            reasoning=(
                min(max(0, told.reasoning_tokens), output)
                if told.HasField("reasoning_tokens")
                else None
            ),
            raw=self._facts(),
        )

    def report(self, estimate: int | None = None) -> dict[str, str]:
        """What the next turn of the same run must know, as headers."""
        usage = self.usage(estimate)
        return {
            _INPUT: str(self._input + (usage.input or 0)),
            _OUTPUT: str(self._output + (usage.output or 0)),
            _CONTEXT: str(self._context),
        }

    def _own_input(self, total: int) -> int:
        """The input of this turn, when the run had turns before.

        Whether the total is that of all steps or of the last one is not known for sure, but shows:
        a sum is at least what was reported and the context once more.
        """
        is_sum = self._input > 0 and total >= self._input + self._context // 2
        return max(0, total - self._input if is_sum else total)

    def _facts(self) -> JsonObject:
        facts: JsonObject = {}
        if self._told is not None:
            facts = {field.name: value for field, value in self._told.ListFields()}
        if self._context:
            facts["used_tokens"] = self._context
        if self._told is None:
            facts["estimated"] = True
        return facts


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() else 0
