"""Fragments of tool calls, as loosely as upstreams send them, to calls with one id and one name.

Seen in the wild: no index, no id, index 0 for every call, the name in each fragment, all arguments
at once or as an object, fragments of parallel calls interleaved, one id for two calls.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway_core.json import JsonObject, dumps_text, loads
from gateway_core.parts import PartWriter

__all__ = ["CallReader"]

_UNFIT = re.compile(r"[^a-zA-Z0-9_-]")
"""What Anthropic takes in no id: with `functions.ls:0` a conversation could not move there."""


@dataclass(slots=True)
class _Call:
    key: tuple[str, int]
    id: str  # as the upstream says it, "" when it does not
    name: str = ""
    custom: bool = False
    opened: bool = False
    closed: bool = False
    arguments: list[str] = field(default_factory=list)


class CallReader:
    """Feeds a `PartWriter` from `tool_calls` and `function_call` deltas.

    answer_id: the upstream's name for the answer, from which ids are made for calls without one, so
    that they differ from those of other answers and the same bytes give the same ids.

    tool_names: the upstream's names of tools to those of the client, where they differ.
    """

    def __init__(self, parts: PartWriter, tool_names: Mapping[str, str]) -> None:
        self.answer_id = ""
        self._parts = parts
        self._tool_names = tool_names
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}
        self._by_id: dict[str, _Call] = {}
        self._ids: set[str] = set()

    def read(self, fragments: Any) -> None:
        """The `tool_calls` of one delta."""
        for fragment in fragments if isinstance(fragments, list) else ():
            if isinstance(fragment, dict):
                self._read(fragment)

    def read_legacy(self, function: JsonObject) -> None:
        """The `function_call` of one delta: the only call of its answer."""
        self._read({"index": 0, "function": function})

    def settle(self) -> None:
        """Something else begins: close the calls whose arguments are already complete JSON.

        One that is not stays open, because its fragments may still come interleaved.
        """
        for call in self._calls:
            if call.opened and not call.closed and _is_complete(call):
                self._parts.close(call.key)
                call.closed = True

    def _read(self, fragment: JsonObject) -> None:
        custom = fragment.get("custom")
        payload = fragment.get("function") or custom
        if not isinstance(payload, dict):
            payload = {}
        name = payload.get("name")
        name = name if isinstance(name, str) else ""
        arguments = payload.get("input" if payload is custom else "arguments")
        text = ""
        if arguments is not None:
            text = arguments if isinstance(arguments, str) else dumps_text(arguments)
        call = self._find(fragment, name, text)
        if payload is custom:
            call.custom = True
        if name and not call.opened:
            call.name = name
            self._open(call)
        if text:
            call.arguments.append(text)
            if call.opened:
                self._parts.arguments(call.key, text)

    def _find(self, fragment: JsonObject, name: str, text: str) -> _Call:
        """The call that a fragment belongs to; a new one when it starts one."""
        index = fragment.get("index")
        id_ = fragment.get("id")
        id_ = id_ if isinstance(id_, str) else ""
        if type(index) is int:
            call = self._by_index.get(index)
            if call is None or _starts_another(call, id_, name, text):
                call = self._by_index[index] = self._new(id_)
            return call
        if id_:
            return self._by_id.get(id_) or self._new(id_)
        last = self._calls[-1] if self._calls else None
        if last is None or (name and last.name and name != last.name):
            return self._new("")
        return self._new("") if _starts_another(last, "", name, text) else last

    def _new(self, id_: str) -> _Call:
        self.settle()
        call = _Call(("call", len(self._calls)), id_)
        self._calls.append(call)
        if id_:
            self._by_id[id_] = call
        return call

    def _open(self, call: _Call) -> None:
        made = f"call_{re.sub(r'[^a-zA-Z0-9]', '', self.answer_id)[-24:]}_{call.key[1]}"
        id_ = _UNFIT.sub("_", call.id) or made
        while id_ in self._ids:
            id_ += "_"
        self._ids.add(id_)
        call.opened = True
        name = self._tool_names.get(call.name, call.name)
        self._parts.tool(call.key, id=id_, name=name, custom=call.custom)
        for text in call.arguments:  # those that came before the name
            self._parts.arguments(call.key, text)


def _starts_another(call: _Call, id_: str, name: str, text: str) -> bool:
    """Whether a fragment that points at this call is really the start of the next.

    Vendors that say index 0 for all calls give another id, or arguments after those were complete.
    Only a fragment with a name counts: some vendors make up a new id for each fragment.
    """
    if not name:
        return False
    if id_ and call.id:
        return id_ != call.id
    return bool(text) and (call.closed or _is_complete(call))


def _is_complete(call: _Call) -> bool:
    arguments = call.arguments
    if call.custom or not arguments or not arguments[-1].rstrip().endswith("}"):
        return False
    try:
        loads("".join(arguments))
    except ValueError:
        return False
    return True
