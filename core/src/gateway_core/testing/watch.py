"""Eyes for what must not happen: secrets in logs, things left behind on the event loop."""

import asyncio
import logging
import traceback
from collections.abc import Collection, Iterator
from contextlib import contextmanager

__all__ = ["all_logs", "left_running", "said_by", "secrets_in"]

_SHORTEST_SECRET = 6


class _Collector(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.NOTSET)
        self._lines = lines
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))


@contextmanager
def all_logs() -> Iterator[list[str]]:
    """The lines that all loggers write meanwhile, from DEBUG on, tracebacks included."""
    lines: list[str] = []
    collector = _Collector(lines)
    root = logging.getLogger()
    known = [one for one in root.manager.loggerDict.values() if isinstance(one, logging.Logger)]
    levels = [(one, one.level) for one in (root, *known)]
    silent = logging.root.manager.disable
    hearing = [root, *(one for one in known if not one.propagate)]
    logging.disable(logging.NOTSET)
    for one, _ in levels:
        _set_level(one, logging.DEBUG if one is root else logging.NOTSET)
    for one in hearing:
        one.addHandler(collector)
    try:
        yield lines
    finally:
        for one in hearing:
            one.removeHandler(collector)
        for one, level in levels:
            _set_level(one, level)
        logging.disable(silent)


def _set_level(logger: logging.Logger, level: int) -> None:
    """Only where it differs: to set it makes every logger forget what it knows of levels."""
    if logger.level != level:
        logger.setLevel(level)


def said_by(error: BaseException | None) -> str:
    """All that an error tells whoever prints it with `--debug`: its words, and its causes'."""
    said: list[str] = []
    seen: set[int] = set()  # an error may be its own cause
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        said += [*traceback.format_exception_only(error), repr(error)]
        error = error.__cause__ or error.__context__
    return "\n".join(said)


def secrets_in(text: str, secrets: Collection[str]) -> bool:
    """Whether one of the secrets is in a text."""
    return any(secret in text for secret in secrets if len(secret) >= _SHORTEST_SECRET)


def left_running(before: "Collection[asyncio.Task[object]]") -> list[str]:
    """The names of the coroutines of tasks that were not there before and still run."""
    tasks = asyncio.all_tasks() - set(before) - {asyncio.current_task()}
    return sorted(getattr(task.get_coro(), "__qualname__", "a task") for task in tasks)
