"""The recorded shapes that the simulator answers with."""

import json
from pathlib import Path
from typing import Any

__all__ = ["document", "stream"]

_FOLDER = Path(__file__).parents[2] / "kiro" / "fixtures"


def document(name: str) -> Any:
    """A JSON document by name."""
    return json.loads((_FOLDER / "json" / f"{name}.json").read_text())


def stream(name: str) -> bytes:
    """The bytes of a recorded answer by name."""
    return (_FOLDER / "eventstream" / f"{name}.bin").read_bytes()
