"""`reasoning_details` of routers: gathers them through a stream, so that what is opaque in them can
go back to the upstream unchanged.
"""

from dataclasses import dataclass, field
from typing import Any

from gateway_core.content import Seal
from gateway_core.json import JsonObject, dumps_text

__all__ = ["DetailReader", "shown_text"]

_TEXTS = ("text", "summary", "data")


@dataclass(slots=True)
class _Detail:
    fields: JsonObject
    texts: dict[str, list[str]] = field(default_factory=dict)

    def whole(self) -> JsonObject:
        return {**self.fields, **{key: "".join(pieces) for key, pieces in self.texts.items()}}


class DetailReader:
    """Puts the fragments of each detail together and seals them for their issuer.

    Fragments with the same type and index, one after the other, are one detail: texts are joined,
    of everything else the last word counts.
    """

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer
        self._details: list[_Detail] = []
        self._opaque = False

    def read(self, fragments: Any) -> None:
        """The `reasoning_details` of one delta."""
        for fragment in fragments if isinstance(fragments, list) else ():
            if isinstance(fragment, dict):
                self._add(fragment)

    def take_seal(self) -> Seal | None:
        """The details so far as one seal (JSON text), and starts anew.

        None while nothing in them is opaque: plain text needs no issuer to be understood.
        """
        if not self._opaque:
            return None
        details = [detail.whole() for detail in self._details]
        self._details = []
        self._opaque = False
        return Seal(self._issuer, dumps_text(details))

    def _add(self, fragment: JsonObject) -> None:
        self._opaque = self._opaque or bool(fragment.get("signature") or fragment.get("data"))
        last = self._details[-1] if self._details else None
        whole = "index" not in fragment and "data" in fragment
        if last is None or whole or not _continues(last.fields, fragment):
            last = _Detail({})
            self._details.append(last)
        for key, value in fragment.items():
            if key in _TEXTS and isinstance(value, str):
                last.fields.setdefault(key, "")  # keeps the place of the key
                last.texts.setdefault(key, []).append(value)
            elif value is not None or key not in last.fields:
                last.fields[key] = value


def _continues(fields: JsonObject, fragment: JsonObject) -> bool:
    return all(fields.get(key) == fragment.get(key) for key in ("type", "index"))


def shown_text(fragments: Any) -> str:
    """The text in details that people may see."""
    shown = ""
    for fragment in fragments if isinstance(fragments, list) else ():
        if isinstance(fragment, dict):
            text = fragment.get("text") or fragment.get("summary")
            shown += text if isinstance(text, str) else ""
    return shown
