"""A client's chat completion request to a canonical `Request`.

Leading `system` and `developer` messages become `instructions`, one `Text` per part; later ones
stay where they are as messages of role `system`. Consecutive `tool` and `function` messages share
one user message. Knows nothing of answers or upstreams.
"""

from collections.abc import Mapping
from typing import Any

from gateway_core.content import (
    Media,
    Message,
    Part,
    Reasoning,
    ResultPart,
    Seal,
    Text,
    ToolCall,
    ToolResult,
)
from gateway_core.errors import InvalidRequest
from gateway_core.formats.base import optional, required
from gateway_core.formats.chat.read_content import FORMAT_NAME, as_object, read_content, read_image
from gateway_core.formats.chat.read_options import (
    read_notices,
    read_output,
    read_reasoning,
    read_sampling,
    read_session,
    read_tool_choice,
    read_tools,
)
from gateway_core.json import JsonObject, dumps_text
from gateway_core.request import Request, Source
from gateway_core.seals import PREFIX, unpack

__all__ = ["FAILED_PREFIX", "read_request"]

FAILED_PREFIX = "[tool error] "
"""Starts the content of a tool message that stands for a failed call: the format has no flag."""


def read_request(body: JsonObject, headers: Mapping[str, str]) -> Request:
    """The canonical request. `headers` have lower-case names.

    Raises `InvalidRequest` with `param` naming the field when the shape is wrong, and `Unsupported`
    for more than one choice (`n`). Unknown fields become notices.
    """
    model = required(body, "model", str)
    if not model:
        raise InvalidRequest("model: must not be empty", param="model")
    notices = read_notices(body)
    conversation = _Conversation()
    messages = required(body, "messages", list)
    if not messages:
        raise InvalidRequest("messages: expected at least one message", param="messages")
    for index, item in enumerate(messages):
        path = f"messages[{index}]"
        conversation.read(as_object(item, path), index)
    optional(body, "stream_options", dict)
    return Request(
        model=model,
        messages=conversation.messages,
        instructions=conversation.instructions,
        tools=read_tools(body),
        tool_choice=read_tool_choice(body),
        output=read_output(body, notices),
        sampling=read_sampling(body),
        reasoning=read_reasoning(body, notices),
        session=read_session(body, headers),
        stream=optional(body, "stream", bool) or False,
        source=Source(FORMAT_NAME, body),
        notices=notices,
    )


class _Conversation:
    """Folds messages in order; remembers which calls are custom and which have no id of their
    own.
    """

    def __init__(self) -> None:
        self.instructions: list[Text] = []
        self.messages: list[Message] = []
        self._custom: set[str] = set()
        self._legacy: dict[str, str] = {}  # name of a `function_call` to the id made up for it
        self._results: Message | None = None

    def read(self, message: JsonObject, index: int) -> None:
        path = f"messages[{index}]"
        role = required(message, "role", str, f"{path}.")
        if role in ("tool", "function"):
            self._add_result(self._read_result(message, role, path))
            return
        self._results = None
        if role in ("system", "developer"):
            self._read_system(message, path)
        elif role == "user":
            parts: list[Part] = [*read_content(message.get("content"), f"{path}.content")]
            self._add(Message("user", parts or [Text("")]), message, path)
        elif role == "assistant":
            self._add(Message("assistant", self._read_assistant(message, index)), message, path)
        else:
            raise InvalidRequest(
                f"{path}.role: expected system, developer, user, assistant, tool or function, "
                f"got {role!r}",
                param=f"{path}.role",
            )

    def _add(self, message: Message, raw: JsonObject, path: str) -> None:
        name = optional(raw, "name", str, f"{path}.")
        if name:
            message.extras = {FORMAT_NAME: {"name": name}}
        if message.parts:
            self.messages.append(message)

    def _read_system(self, message: JsonObject, path: str) -> None:
        parts = read_content(message.get("content"), f"{path}.content")
        texts = [part for part in parts if isinstance(part, Text)]
        if len(texts) < len(parts):
            raise InvalidRequest(
                f"{path}.content: a {message['role']} message takes text only",
                param=f"{path}.content",
            )
        if not self.messages:
            self.instructions.extend(texts)
        else:
            self._add(Message("system", [*texts]), message, path)

    def _read_assistant(self, message: JsonObject, index: int) -> list[Part]:
        path = f"messages[{index}]"
        parts: list[Part] = [*_read_reasoning(message, path)]
        parts += read_content(message.get("content"), f"{path}.content")
        refusal = optional(message, "refusal", str, f"{path}.")
        if refusal:
            parts.append(Text(refusal, refusal=True))
        parts += _read_images(message, path)
        for position, item in enumerate(optional(message, "tool_calls", list, f"{path}.") or []):
            where = f"{path}.tool_calls[{position}]"
            parts.append(self._read_call(as_object(item, where), where))
        legacy = optional(message, "function_call", dict, f"{path}.")
        if legacy is not None:
            parts.append(self._read_legacy_call(legacy, index))
        return parts

    def _read_call(self, call: JsonObject, path: str) -> ToolCall:
        id_ = _not_empty(call, "id", f"{path}.")
        kind = optional(call, "type", str, f"{path}.") or "function"
        if kind == "custom":
            path = f"{path}.custom"
            custom = as_object(call.get("custom"), path)
            self._custom.add(id_)
            name = _not_empty(custom, "name", f"{path}.")
            return ToolCall(id_, name, required(custom, "input", str, f"{path}."), custom=True)
        if kind != "function":
            raise InvalidRequest(
                f"{path}.type: expected function or custom, got {kind!r}", param=f"{path}.type"
            )
        path = f"{path}.function"
        function = as_object(call.get("function"), path)
        name = _not_empty(function, "name", f"{path}.")
        return ToolCall(id_, name, optional(function, "arguments", str, f"{path}.") or "")

    def _read_legacy_call(self, call: JsonObject, index: int) -> ToolCall:
        path = f"messages[{index}].function_call."
        name = _not_empty(call, "name", path)
        id_ = f"call_function_{index}"
        self._legacy[name] = id_
        return ToolCall(id_, name, optional(call, "arguments", str, path) or "")

    def _read_result(self, message: JsonObject, role: str, path: str) -> ToolResult:
        content: list[ResultPart] = read_content(message.get("content"), f"{path}.content")
        if role == "tool":
            id_ = _not_empty(message, "tool_call_id", f"{path}.")
        else:
            name = required(message, "name", str, f"{path}.")
            id_ = self._legacy.pop(name, "")
            if not id_:
                raise InvalidRequest(
                    f"{path}.name: no function_call of {name!r} is waiting for a result",
                    param=f"{path}.name",
                )
        first = content[0] if content else None
        failed = isinstance(first, Text) and first.text.startswith(FAILED_PREFIX)
        if isinstance(first, Text) and failed:
            first.text = first.text.removeprefix(FAILED_PREFIX)
            content = content if first.text else content[1:]
        return ToolResult(id_, content, failed, custom=id_ in self._custom)

    def _add_result(self, result: ToolResult) -> None:
        if self._results is None:
            self._results = Message("user")
            self.messages.append(self._results)
        self._results.parts.append(result)


def _not_empty(body: Mapping[str, Any], key: str, path: str) -> str:
    value = required(body, key, str, path)
    if not value:
        raise InvalidRequest(f"{path}{key}: must not be empty", param=f"{path}{key}")
    return value


def _read_reasoning(message: JsonObject, path: str) -> list[Reasoning]:
    """`reasoning_content` or `reasoning`, with the seals that `reasoning_details` carry.

    The first seal belongs to the text; further ones get parts of their own. Details that are not
    ours are kept as one seal of their vendor, whom the format cannot name.
    """
    text = optional(message, "reasoning_content", str, f"{path}.")
    if not text:
        reasoning = message.get("reasoning")  # some clients echo an object here; it says nothing
        text = reasoning if isinstance(reasoning, str) else ""
    seals: list[Seal] = []
    native: list[Any] = []
    for detail in optional(message, "reasoning_details", list, f"{path}.") or []:
        data = detail.get("data") if isinstance(detail, dict) else None
        if isinstance(data, str) and data.startswith(PREFIX):
            seal = unpack(data)
            if seal is not None:
                seals.append(seal)
        else:
            native.append(detail)
    if native:
        seals.append(Seal(FORMAT_NAME, dumps_text(native)))
    parts = [Reasoning(text)] if text else []
    for index, seal in enumerate(seals):
        if index == 0 and parts:
            parts[0].seal = seal
        else:
            parts.append(Reasoning("", seal))
    return parts


def _read_images(message: JsonObject, path: str) -> list[Media]:
    images = optional(message, "images", list, f"{path}.") or []
    return [
        read_image(as_object(item, f"{path}.images[{index}]"), f"{path}.images[{index}]")
        for index, item in enumerate(images)
    ]
