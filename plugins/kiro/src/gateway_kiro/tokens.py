"""What an answer cost, from the sources that the service has for it, the best one first.

Token totals are in its schema and rarely sent; mostly there is a percentage of the context window,
and credits. Without any of them the sizes of what went to and fro are all there is.
"""

import math

from gateway_core import JsonObject, Usage

__all__ = ["TokenCount"]

_BYTES_PER_TOKEN = 4


class TokenCount:
    """Gathers the figures of one answer; `usage` makes the best of them.

    searches: how often the web was searched.
    """

    __slots__ = ("_credits", "_percentage", "_raw", "_told", "_written", "searches")

    def __init__(self) -> None:
        self.searches = 0
        self._written = 0
        self._percentage: float | None = None
        self._credits: float | None = None
        self._told = Usage()
        self._raw: JsonObject | None = None

    def wrote(self, text: str) -> None:
        """The model wrote this: words, thoughts, or the input of a tool."""
        self._written += len(text) if text.isascii() else len(text.encode("utf-8", "replace"))

    def context(self, percentage: object) -> None:
        """How full the context window is, the answer included; the latest counts."""
        number = _number(percentage)
        if number is not None:
            self._percentage = number

    def credits(self, amount: object) -> None:
        """What was charged; amounts add up."""
        number = _number(amount)
        if number is not None:
            self._credits = (self._credits or 0.0) + number

    def told(self, usage: JsonObject) -> None:
        """The token totals of a round; input of the latest counts, output adds up."""
        fresh, read, write = (
            _count(usage.get(key))
            for key in ("uncachedInputTokens", "cacheReadInputTokens", "cacheWriteInputTokens")
        )
        if fresh is not None:
            self._told.input = fresh + (read or 0) + (write or 0)
            self._told.cache_read, self._told.cache_write = read, write
        output = _count(usage.get("outputTokens"))
        if output is not None:
            self._told.output = (self._told.output or 0) + output
        self.context(usage.get("contextUsagePercentage"))
        self._raw = usage

    def told_plainly(self, metrics: JsonObject) -> None:
        """Totals of input and output, where nothing better was told."""
        for key, name in (("inputTokens", "input"), ("outputTokens", "output")):
            number = _count(metrics.get(key))
            if number is not None and getattr(self._told, name) is None:
                setattr(self._told, name, number)

    @property
    def full(self) -> bool:
        """Whether the context window was filled up."""
        return self._percentage is not None and self._percentage >= 100

    def usage(self, window: int | None, sent: int) -> Usage:
        """The totals. window: of the model, in tokens. sent: about how many the request has."""
        told = self._told
        output = told.output
        if output is None:
            output = math.ceil(self._written / _BYTES_PER_TOKEN)
        input = told.input
        if input is None and self._percentage is not None and window:
            input = max(0, round(self._percentage / 100 * window) - output)
        return Usage(
            input=sent if input is None else input,
            cache_read=told.cache_read,
            cache_write=told.cache_write,
            output=output,
            web_searches=self.searches or None,
            raw=self._facts(),
        )

    def _facts(self) -> JsonObject | None:
        facts: JsonObject = {}
        if self._credits is not None:
            facts["credits"] = self._credits
        if self._percentage is not None:
            facts["context_usage_percentage"] = self._percentage
        if self._raw is not None:
            facts["token_usage"] = self._raw
        return facts or None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and value >= 0 else None


def _count(value: object) -> int | None:
    number = _number(value)
    return None if number is None else round(number)
