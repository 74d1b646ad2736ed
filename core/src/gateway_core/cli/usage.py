"""`gateway usage`: what requests have cost, from the ledger."""

import re
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

import click

from gateway_core.cli.common import command_settings, echo_json, run
from gateway_core.cli.group import Failure
from gateway_core.defaults import BUILT_IN_STORE
from gateway_core.plugins import PluginSet
from gateway_core.settings import Settings
from gateway_core.state.store import StateError, UsageGroup, UsageSum

__all__ = ["show_usage"]

_UNITS = {"h": 3600, "d": 86_400, "w": 604_800}
_TITLES = ("requests", "failed", "input", "cached", "output", "reasoning", "first byte", "duration")
_TOKENS = ("input", "cache_read", "cache_write", "output", "reasoning")


def show_usage(since: str, by: UsageGroup, *, as_json: bool) -> None:
    """Print the requests since a time, in groups. Raises `Failure`."""
    settings = command_settings()
    start = max(0.0, _moment(since))  # Windows knows no date before
    try:
        sums = run(_read(settings, by, start))
    except StateError as error:
        raise Failure(f"the usage ledger cannot be read: {error}") from error
    if as_json:
        begin = datetime.fromtimestamp(start, UTC).isoformat(timespec="seconds")
        echo_json({"since": begin, "by": by, "usage": [asdict(group) for group in sums]})
    elif sums:
        _print(sums, by)
    elif settings.state.usage_days:
        click.echo(f"no request since {datetime.fromtimestamp(start):%Y-%m-%d %H:%M}")
    else:
        click.echo("no usage is written down: state.usage_days is 0")


async def _read(settings: Settings, by: UsageGroup, since: float) -> list[UsageSum]:
    elsewhere = settings.state.store != BUILT_IN_STORE
    store = PluginSet(settings, installed=elsewhere).make_store()
    try:
        return await store.usage.sums(by, since)
    finally:
        await store.aclose()


def _moment(text: str) -> float:
    """`12h`, `7d`, `2w`, `today`, or a local date or time, in Unix seconds. Raises `Failure`."""
    now = datetime.now()
    if text == "today":
        return now.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    if found := re.fullmatch(r"(\d{1,5})([hdw])", text):
        return time.time() - int(found[1]) * _UNITS[found[2]]
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise Failure(
            f"--since {text!r} is no time; write 12h, 7d, 2w, today or 2026-01-31"
        ) from error


def _print(sums: Sequence[UsageSum], by: str) -> None:
    rows = [(by, *_TITLES), *(_row(group) for group in sums)]
    if len(sums) > 1:
        rows.append(_row(_total(sums)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for name, *numbers in rows:
        cells = (f"{number:>{width}}" for number, width in zip(numbers, widths[1:], strict=True))
        click.echo(f"{name:{widths[0]}}  {'  '.join(cells)}")


def _row(group: UsageSum) -> tuple[str, ...]:
    tokens = (group.input, group.cache_read, group.output, group.reasoning)
    return (
        "".join(letter if letter.isprintable() else "?" for letter in group.name),
        f"{group.requests:,}",
        f"{group.failed:,}",
        *("-" if count is None else f"{count:,}" for count in tokens),
        "-" if group.first_event is None else f"{group.first_event:.1f} s",
        f"{group.duration:.1f} s",
    )


def _total(sums: Sequence[UsageSum]) -> UsageSum:
    """All groups together; a time counts as often as its group has requests."""
    counts = {name: _sum(sums, name) for name in _TOKENS}
    requests = sum(group.requests for group in sums)
    timed = [group for group in sums if group.first_event is not None]
    answered = sum(group.requests for group in timed)
    first = sum((group.first_event or 0) * group.requests for group in timed)
    return UsageSum(
        name="all",
        requests=requests,
        failed=sum(group.failed for group in sums),
        first_event=first / answered if answered else None,
        duration=sum(group.duration * group.requests for group in sums) / requests,
        **counts,
    )


def _sum(sums: Sequence[UsageSum], name: str) -> int | None:
    known = [count for group in sums if (count := getattr(group, name)) is not None]
    return sum(known) if known else None
