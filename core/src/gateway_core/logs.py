"""Log lines: text for people on stderr, JSON on request and in the log file, always redacted.

Modules log through `logging.getLogger(__name__)` and pass structured values as
`extra={"fields": {...}}`. Prompts and answers are never logged.
"""

import logging
import os
import sys
import time
from collections.abc import Mapping
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from gateway_core.json import dumps_text
from gateway_core.redaction import redact, redact_fields, redact_message, register_secret

if TYPE_CHECKING:
    from gateway_core.errors import GatewayError
    from gateway_core.provider import Exchange
    from gateway_core.settings import Settings

__all__ = [
    "JsonFormatter",
    "TextFormatter",
    "configure_logging",
    "log_exchange",
    "redact",
    "register_secret",
    "request_logger",
]

request_logger: Final = logging.getLogger("gateway_core.request")
"""One line per exchange, see `log_exchange`."""

_FILE_NAME = "gateway.log"
_FILE_BYTES = 20 * 1024 * 1024
_FILE_COUNT = 3
_LONGEST_NAME = 200  # of a model, in characters; clients may ask for anything
_CHATTY = ("asyncio", "hpack", "httpcore", "httpx", "keyring", "uvicorn")


class TextFormatter(logging.Formatter):
    """`12:34:56 info  message key=value`, then the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, redacted."""
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        head = f"{clock} {record.levelname.lower():7} {record.getMessage()}"
        values = " ".join(f"{key}={_plain(value)}" for key, value in _fields(record).items())
        lines = [f"{head} {values}" if values else head]
        if trouble := _traceback(self, record):
            lines.append(trouble)
        return redact("\n".join(lines))


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `time`, `level`, `logger`, `message`, fields, `traceback`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, redacted."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, object] = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
            **_fields(record),
        }
        if trouble := _traceback(self, record):
            line["traceback"] = redact(trouble)
        return dumps_text(line)


def configure_logging(settings: "Settings", stream: IO[str] | None = None) -> None:
    """Send all log lines of the process to stderr (or `stream`) and, when set, to the log file.

    Replaces what an earlier call set up. Raises `OSError` when the log file cannot be opened.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    json_wanted = settings.log.format == "json"
    handler.setFormatter(JsonFormatter() if json_wanted else TextFormatter())
    handlers: list[logging.Handler] = [handler]
    if file := _log_file(settings):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        rotating = _PrivateFileHandler(file, maxBytes=_FILE_BYTES, backupCount=_FILE_COUNT)
        rotating.setFormatter(JsonFormatter())
        handlers.append(rotating)
    root = logging.getLogger()
    for old in root.handlers[:]:
        if getattr(old, "gateway", False):
            root.removeHandler(old)
            old.close()
    for new in handlers:
        new.gateway = True  # type: ignore[attr-defined]  # our own mark
        root.addHandler(new)
    level = logging.getLevelNamesMapping()[settings.log.level.upper()]
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def log_exchange(exchange: "Exchange", error: "GatewayError | None" = None) -> None:
    """The one line of an exchange: route, outcome, times in seconds, tokens. No content.

    error: what ended it, for its message.
    """
    level = logging.WARNING if exchange.error is not None else logging.INFO
    if not request_logger.isEnabledFor(level):
        return
    usage = exchange.usage
    requested, model = exchange.requested[:_LONGEST_NAME], exchange.model[:_LONGEST_NAME]
    fields: dict[str, object] = {
        "id": exchange.id,
        "requested": requested if exchange.requested != exchange.model else None,
        "stream": exchange.stream,
        "error": exchange.error,
        "cause": redact_message(error.message) if error else None,
        "first_event": _rounded(exchange.first_event),
        "duration": _rounded(exchange.duration),
        "input": usage.input if usage else None,
        "cached": usage.cache_read if usage else None,
        "output": usage.output if usage else None,
        "notices": list(exchange.notices) or None,
        "upstream": exchange.upstream,
    }
    request_logger.log(
        level,
        "%s %s %d",
        exchange.format,
        f"{exchange.provider}/{model}" if exchange.provider else requested,
        exchange.status,
        extra={"fields": {key: value for key, value in fields.items() if value is not None}},
    )


class _PrivateFileHandler(RotatingFileHandler):
    """A rotating file that only its owner can read."""

    def _open(self) -> TextIOWrapper:
        def private(path: str, flags: int) -> int:
            return os.open(path, flags, 0o600)

        return open(self.baseFilename, "a", encoding="utf-8", opener=private)


def _log_file(settings: "Settings") -> Path | None:
    file = settings.log.file
    if file is False:
        return None
    if file is True:
        return settings.paths.logs / _FILE_NAME
    return settings.paths.logs / file.expanduser()


def _fields(record: logging.LogRecord) -> dict[str, object]:
    fields = getattr(record, "fields", None)
    return redact_fields(fields) if isinstance(fields, Mapping) else {}


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    parts = []
    if record.exc_info:
        parts.append(formatter.formatException(record.exc_info))
    if record.stack_info:
        parts.append(formatter.formatStack(record.stack_info))
    return "\n".join(parts)


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = value if isinstance(value, str) else dumps_text(value)
    return text if text and not any(c in text for c in ' "\n\r') else dumps_text(text)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)
