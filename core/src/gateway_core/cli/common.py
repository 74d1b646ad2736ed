"""What several commands share: settings from flags, quiet logs, JSON output, local times."""

import asyncio
import json
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import click

from gateway_core.cli.group import Failure, debug_wanted
from gateway_core.logs import configure_logging
from gateway_core.settings import LogSettings, Settings, load_settings, local_key
from gateway_core.status import local_time

__all__ = [
    "command_settings",
    "echo_json",
    "find_provider",
    "known_key",
    "local_time",
    "printable",
    "run",
    "time_left",
]

T = TypeVar("T")


def command_settings(flags: Mapping[str, object] | None = None) -> Settings:
    """The settings for a command that is not a server: it logs only what goes wrong, to stderr."""
    settings = load_settings(flags)
    quiet = LogSettings(level="debug" if debug_wanted() else "error", format=settings.log.format)
    configure_logging(settings.model_copy(update={"log": quiet}))
    return settings


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run the asynchronous part of a command."""
    return asyncio.run(work)


def echo_json(value: object) -> None:
    """Print a value as indented JSON on stdout."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def printable(text: str) -> str:
    """A line for the terminal without what would steer it: names and e-mails are others' texts."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def find_provider(name: str, providers: Mapping[str, object]) -> str:
    """The id of an installed provider. Raises `Failure` that lists what is installed."""
    if name in providers:
        return name
    if not providers:
        raise Failure("no provider is installed; run `pip install gateway-demo`, or another one")
    raise Failure(
        f"no provider {name!r} is installed; installed: {', '.join(sorted(providers))} "
        "(see `gateway plugins`)"
    )


def known_key(settings: Settings) -> str | None:
    """The local key if there is one yet; looking does not generate one."""
    if settings.server.require_key and (
        settings.server.api_key is not None or settings.paths.key_file.exists()
    ):
        return local_key(settings)
    return None


def time_left(moment: datetime, now: datetime | None = None) -> str:
    """How far away a time is: `in 3 h 05 min`, `in 12 min`, `2 d ago`."""
    delta = moment - (now or datetime.now(UTC))
    text = _span(abs(delta))
    return f"in {text}" if delta > timedelta(0) else f"{text} ago"


def _span(delta: timedelta) -> str:
    minutes = int(delta.total_seconds() // 60)
    days, hours = minutes // 1440, minutes // 60 % 24
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    return f"{hours} h {minutes % 60:02d} min" if hours else f"{minutes} min"
