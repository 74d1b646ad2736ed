"""Keeps hooks from putting the event loop to sleep, and says so when one tries."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest import mock

from gateway_core.testing.case import Violation

__all__ = ["awake"]

_SEEN = "it calls time.sleep on the event loop"
_scanned: list[object] = []
_with_sleep: list[object] = []


@contextmanager
def awake() -> Iterator[None]:
    """Let no code of this thread call `time.sleep` meanwhile; other threads may.

    Raises `Violation` at the end when something tried.
    """
    loop_thread = threading.get_ident()
    sleep = time.sleep
    tried = False

    def stay_awake(seconds: float) -> None:
        nonlocal tried
        if threading.get_ident() != loop_thread:
            sleep(seconds)
            return
        tried = True
        raise Violation(_SEEN)  # not slept through: a loop that polls so would never end

    with ExitStack() as patches:
        for module in _modules_with_sleep():
            if vars(module).get("sleep") is sleep:
                patches.enter_context(mock.patch.object(module, "sleep", stay_awake))
        try:
            yield
        except Exception as error:
            if tried:
                raise Violation(_SEEN) from error
            raise
    if tried:
        raise Violation(_SEEN)


def _modules_with_sleep() -> list[object]:
    """The modules with a `sleep` of any kind. They are looked for anew only when a module came or
    went: there are thousands, and the kit asks for each hook that it calls.
    """
    loaded: list[object] = [*sys.modules.values()]
    if loaded != _scanned:
        _scanned[:] = loaded
        _with_sleep[:] = [one for one in loaded if "sleep" in getattr(one, "__dict__", ())]
    return _with_sleep
