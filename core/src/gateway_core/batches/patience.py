"""Waiting for providers that want to be asked less, or later.

A refusal holds its provider: nothing more of any batch is sent there for as long as it said, or for
a pause that doubles with each further one. Pure; times are seconds of whatever clock.
"""

from gateway_core.errors import GatewayError, Overloaded, QuotaExhausted, RateLimited

__all__ = ["MOST_TRIES", "Patience", "is_refusal"]

MOST_TRIES = 25
"""How often one request is sent to a provider that refuses it, before that is its result."""
FIRST_PAUSE = 5.0
LONGEST_PAUSE = 300.0
"""Seconds that a provider is left alone that does not say for how long."""
LONGEST_HOLD = 3600.0
"""Seconds that one refusal counts, whatever it said: limits are lifted, and accounts changed."""


def is_refusal(error: GatewayError) -> bool:
    """Whether a provider did nothing now and may do it later. A quota that is used up counts when
    it is known for how long.
    """
    if isinstance(error, QuotaExhausted):
        return error.retry_after is not None
    return isinstance(error, RateLimited | Overloaded)


class Patience:
    """Which providers are to be left alone, and until when."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._refusals: dict[str, int] = {}

    def refused(self, provider: str, error: GatewayError, now: float) -> None:
        """A provider wants to be left alone."""
        until = self._until.get(provider, now)
        if until <= now:  # what was sent together and refused together is one refusal
            self._refusals[provider] = self._refusals.get(provider, 0) + 1
        pause = error.retry_after
        if not pause:
            doublings = min(self._refusals.get(provider, 1), 10) - 1
            pause = min(FIRST_PAUSE * 2.0**doublings, LONGEST_PAUSE)
        self._until[provider] = max(until, now + min(pause, LONGEST_HOLD))

    def answered(self, provider: str) -> None:
        """A provider did what it was asked."""
        self._refusals.pop(provider, None)

    def held(self, now: float) -> set[str]:
        """The providers to be left alone."""
        return {provider for provider, until in self._until.items() if until > now}

    def next_end(self, now: float) -> float | None:
        """When the first of them may be asked again; None when there is none."""
        return min((until for until in self._until.values() if until > now), default=None)
