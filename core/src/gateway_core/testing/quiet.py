"""Looks whether a plugin does things while it is merely loaded: connect, listen, start threads or
programs, read what belongs to other programs.
"""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gateway_core.json import dumps, loads
from gateway_core.testing.case import NotApplicable

__all__ = ["importing", "threads_started"]

_TIMEOUT = 30.0
_UNREACHABLE = 3

# Runs in a process of its own, as imports cannot be undone, nor audit hooks be removed.
_PROBE = """
import json, os, sys, sysconfig, threading
path, module, name = json.loads(sys.argv[1])
sys.path[:] = path
import gateway_core.plugins, gateway_core.testing.subject, gateway_core.credentials.oauth
import gateway_core.credentials.browser, gateway_core.credentials.device, httpx
home = os.path.realpath(os.path.expanduser("~"))
known = [*path, sys.prefix, sys.base_prefix, sys.exec_prefix, *sysconfig.get_paths().values()]
known = [os.path.realpath(one) + os.sep for one in known if one]
seen = []
watching = True
def audit(event, args):
    if not watching:
        return
    if event in ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto"):
        seen.append("uses the network (%s)" % event)
    elif event in ("subprocess.Popen", "os.system", "os.posix_spawn", "os.exec"):
        seen.append("starts a program")
    elif event in ("open", "sqlite3.connect") and isinstance(args[0], (str, bytes)):
        file = os.path.realpath(os.fsdecode(args[0]))
        if file.startswith(home + os.sep) and not any(file.startswith(one) for one in known):
            if not file.endswith((".py", ".pyc", ".pth")):
                seen.append("opens ~/%s" % os.path.relpath(file, home).replace(os.sep, "/"))
before = set(threading.enumerate())
sys.addaudithook(audit)
try:
    target = __import__(module, fromlist=["_"])
    for part in name.split("."):
        target = getattr(target, part)
except (ImportError, AttributeError):
    sys.exit(3)
plugin = target() if isinstance(target, type) else target
introduce = getattr(plugin, "gateway_provider", None)
if introduce is not None:
    introduce()
watching = False
seen += ["starts a thread" for thread in threading.enumerate() if thread not in before]
print("\\n" + json.dumps(seen))
"""


def importing(make: Callable[[], object]) -> list[str]:
    """What a fresh process sees the plugin do while it is imported, made and introduced.

    Raises `NotApplicable` when it cannot be imported by name (a class inside a function).
    """
    name = getattr(make, "__qualname__", "")
    if not name or "<" in name:
        raise NotApplicable("the plugin is no class of a module, so it cannot be imported anew")
    wanted = dumps([sys.path, make.__module__, name]).decode()
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, wanted],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_TIMEOUT,
        check=False,
    )
    if done.returncode == _UNREACHABLE:
        raise NotApplicable(f"{make.__module__} cannot be imported by its name")
    if done.returncode:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        return [f"fails in a process of its own: {''.join(last)}"]
    seen = loads(done.stdout.splitlines()[-1])
    return sorted(set(map(str, seen))) if isinstance(seen, list) else []


@contextmanager
def threads_started() -> Iterator[list[str]]:
    """The names of the threads that run afterwards and did not before."""
    before = set(threading.enumerate())
    started: list[str] = []
    yield started
    started += [thread.name for thread in threading.enumerate() if thread not in before]
