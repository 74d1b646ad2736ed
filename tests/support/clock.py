"""A clock that only moves when a test turns it."""

from datetime import UTC, datetime, timedelta

__all__ = ["Clock"]


class Clock:
    """Call it for the time now, which starts at the year 2030 in UTC."""

    def __init__(self) -> None:
        self.now = datetime(2030, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **amount: float) -> None:
        """Turn it by an amount in `timedelta`'s words."""
        self.now += timedelta(**amount)
