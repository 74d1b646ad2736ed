"""The id by which a provider knows this machine, for vendors that bind tokens to one.

It is made once and outlives every login, so that logging out and in again does not look like
another machine.
"""

import re
import uuid
from pathlib import Path

from gateway_core.errors import Internal
from gateway_core.paths import find_paths
from gateway_core.private_files import create_private

__all__ = ["machine_id"]

_ID = re.compile(r"[0-9a-f]{32}")


def machine_id(provider: str, folder: Path | None = None) -> str:
    """32 hex digits, different for each provider, kept in a file of the state folder. Blocking.

    folder: the state folder, by default that of the environment. Raises `Internal` when the id can
    be neither kept nor read.
    """
    path = (folder or find_paths().state) / "machine-ids" / provider
    try:
        if not path.exists():
            create_private(path, uuid.uuid4().hex.encode())
        found = path.read_text("ascii").strip()
    except (OSError, ValueError) as error:
        raise Internal(f"the id of this machine cannot be kept in {path}: {error}") from error
    if not _ID.fullmatch(found):
        raise Internal(f"{path} holds no machine id: remove it and log in to {provider} again")
    return found
