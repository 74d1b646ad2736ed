"""What last went wrong in each plugin at run time, kept where other processes can read it.

The server notes that a hook raised, `gateway plugins` shows it: one small private file per plugin.
Knows no hooks and judges nothing. Refreshes that failed are remembered elsewhere, for another
purpose (`gateway_core.credentials.failures`).
"""

import atexit
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote

from gateway_core.json import JsonObject, dumps, loads_object
from gateway_core.private_files import remove_private, write_private
from gateway_core.redaction import redact, redact_message

__all__ = ["LastFailure", "PluginHealth", "WrongResult"]

log = logging.getLogger(__name__)

PAUSE_SECONDS = 5.0
"""Between two writes of one plugin's file: what fails at each turn must not wear out the disk."""
_LONGEST_REASON: Final = 300
_LONGEST_READ: Final = 20_000


class WrongResult(Exception):
    """A plugin gave something else than its hook's contract says.

    The text follows the name of the hook (`returned dict, not Account`) and holds of what was given
    types and ids at most, so it may be told to anyone.
    """


@dataclass(slots=True, frozen=True)
class LastFailure:
    """The last failure of one plugin.

    version: of the plugin's distribution, None when unknown. reason: one line that follows the name
    of the hook (`raised KeyError: 'id'`), without secrets. at: when, timezone-aware. count: how
    often in a row the hook failed in this way.
    """

    plugin: str
    version: str | None
    hook: str
    reason: str
    at: datetime
    count: int = 1

    def facts(self) -> JsonObject:
        """Hook, reason, time (ISO 8601, UTC) and count, for JSON output."""
        return {
            "hook": self.hook,
            "reason": self.reason,
            "at": self.at.astimezone(UTC).isoformat(timespec="seconds"),
            "count": self.count,
        }

    def after(self, earlier: "LastFailure | None") -> "LastFailure":
        """This failure, with those counted that it repeats."""
        if earlier is None or earlier._kind != self._kind:
            return self
        return replace(self, count=self.count + earlier.count)

    @property
    def _kind(self) -> tuple[object, ...]:
        return self.plugin, self.version, self.hook, self.reason.partition(":")[0]


class PluginHealth:
    """Remembers the last failure of each plugin in a folder. All methods may be called from any
    thread, and none raises.

    folder: made when something fails. clock: the time now, timezone-aware. pause: seconds between
    two writes.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        pause: float = PAUSE_SECONDS,
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._pause = pause
        self._pending: dict[str, LastFailure] = {}
        self._guard = threading.Lock()  # of what is pending, and of whether somebody writes it
        self._writing = threading.Lock()
        self._wake = threading.Event()
        self._writer: threading.Thread | None = None

    def record(self, plugin: str, version: str | None, hook: str, error: BaseException) -> None:
        """Note that a hook of a plugin failed. Returns at once: a thread writes it."""
        try:
            failure = LastFailure(plugin, version, hook, _reason(error), self._clock())
            with self._guard:
                self._pending[plugin] = failure.after(self._pending.get(plugin))
                if self._writer is None:
                    writer = threading.Thread(target=self._work, name="plugin-health", daemon=True)
                    writer.start()
                    self._writer = writer
                    atexit.register(self.flush)
        except Exception:
            log.exception("the failure of plugin %s could not be noted", plugin)

    def flush(self) -> None:
        """Write what is not yet written. Blocks, so it is for the end of a process."""
        self._write_pending()
        self._wake.set()

    def last(self, plugin: str, version: str | None) -> LastFailure | None:
        """The last failure that is on disk for this version of a plugin; what another version left
        behind is removed.
        """
        path = self._path(plugin)
        failure = _read(path)
        if failure is None or (failure.plugin, failure.version) == (plugin, version):
            return failure
        with suppress(OSError):
            remove_private(path)
        return None

    def _work(self) -> None:
        """Write at once, then at most once in a pause, until nothing fails any more."""
        while True:
            self._write_pending()
            self._wake.wait(self._pause)
            with self._guard:
                self._wake.clear()
                if not self._pending:
                    self._writer = None
                    atexit.unregister(self.flush)
                    return

    def _write_pending(self) -> None:
        with self._writing:
            with self._guard:
                pending, self._pending = self._pending, {}
            for plugin, failure in pending.items():
                path = self._path(plugin)
                try:
                    write_private(path, _dump(failure.after(_read(path))))
                except Exception as error:  # a full disk must not end the thread
                    log.warning("the failure of plugin %s could not be kept: %s", plugin, error)

    def _path(self, plugin: str) -> Path:
        return self._folder / f"{quote(plugin, safe='')}.json"


def _dump(failure: LastFailure) -> bytes:
    return dumps({"plugin": failure.plugin, "version": failure.version, **failure.facts()})


def _read(path: Path) -> LastFailure | None:
    """What a file holds; None when there is none, or nothing that can be understood."""
    try:
        facts = loads_object(path.read_bytes())
        at = datetime.fromisoformat(facts["at"])
        version = facts["version"]
        return LastFailure(
            plugin=str(facts["plugin"]),
            version=None if version is None else str(version),
            hook=str(facts["hook"]),
            reason=str(facts["reason"]),
            at=at if at.tzinfo else at.replace(tzinfo=UTC),
            count=int(facts["count"]),
        )
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _reason(error: BaseException) -> str:
    """One printable line without secrets."""
    if isinstance(error, WrongResult):
        text = str(error)
    else:
        words = _words(error)
        text = f"raised {type(error).__name__}" + (f": {words}" if words else "")
    text = "".join(char if char.isprintable() else " " for char in redact(text[:_LONGEST_READ]))
    return redact_message(" ".join(text.split()), _LONGEST_REASON)


def _words(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # `__str__` may be the plugin's own, too
        return ""
