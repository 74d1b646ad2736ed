"""Files that only their owner can read, written all or nothing.

Used for settings, the local key, credentials and account choices. Knows no content.
"""

import os
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

__all__ = [
    "TEMPORARY_SUFFIX",
    "create_private",
    "make_private_folder",
    "remove_private",
    "write_private",
]

TEMPORARY_SUFFIX = ".tmp"
"""Ends the name of a file being written; one that is old was left over by a crash."""

_REPLACE_TRIES = 20


def make_private_folder(folder: Path) -> None:
    """Create a folder that only its owner can enter, and those above it likewise; one that exists
    keeps its mode.
    """
    if not folder.parent.exists():
        make_private_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)


def write_private(path: Path, data: bytes) -> None:
    """Replace a 0600 file: a reader sees the old content or the new, whole, and the new is on disk,
    folder entry included, when this returns. Raises `OSError`.

    A symbolic link is followed, so that a linked settings file stays a link.
    """
    path = Path(os.path.realpath(path))
    make_private_folder(path.parent)
    temporary = _write_temporary(path, data)
    try:
        _replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def remove_private(path: Path) -> None:
    """Remove a file durably; no error when there is none. Raises `OSError`."""
    with suppress(FileNotFoundError):
        path.unlink()
        _sync_folder(path.parent)


def create_private(path: Path, data: bytes) -> bool:
    """Write a 0600 file unless it exists; False when another process was first.

    The file never shows up empty or half written, where the file system knows hard links.
    """
    make_private_folder(path.parent)
    temporary = _write_temporary(path, data)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError:  # no hard links here (FAT, some network and mobile file systems)
        return _create_exclusively(path, data)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _write_temporary(path: Path, data: bytes) -> Path:
    """A synced 0600 file beside `path` (mkstemp creates files with that mode)."""
    handle, name = tempfile.mkstemp(TEMPORARY_SUFFIX, f".{path.name}.", path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise
    return Path(name)


def _create_exclusively(path: Path, data: bytes) -> bool:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)
    return True


def _replace(source: Path, target: Path) -> None:
    for _ in range(_REPLACE_TRIES):
        try:
            os.replace(source, target)
            return
        except PermissionError:
            # Windows refuses while another process has the target open, which is never for long.
            if sys.platform != "win32":
                raise
        time.sleep(0.02)
    os.replace(source, target)


def _sync_folder(folder: Path) -> None:
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
