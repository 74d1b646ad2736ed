"""A canonical request, written for an upstream that speaks Responses.

Writes what the canonical model holds, always as a stream and never stored. Which fields a certain
upstream refuses is its provider's business: it deletes them, or copies named ones from
`request.source.body`. Deterministic, changes nothing in the request, and what is written for the
first messages does not depend on later ones.

Left out because the format has no place for it: `top_k`, `seed`, penalties, stop sequences, seals
of calls, unsealed or foreign reasoning, `max_uses` of a search, the choice of tools where there are
none.
"""

from base64 import b64encode
from collections.abc import Collection

from gateway_core import seals
from gateway_core.content import (
    Citation,
    Extras,
    Foreign,
    HostedCall,
    Media,
    Message,
    Part,
    Reasoning,
    ResultPart,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from gateway_core.errors import Unsupported
from gateway_core.formats.responses.hosted import image_item, search_item
from gateway_core.formats.responses.schema import (
    COMPACTIONS,
    FAILED_MARK,
    FORMAT_NAME,
    extras_of,
    is_item,
)
from gateway_core.formats.responses.write_tools import ToolNames, write_tool_choice, write_tools
from gateway_core.json import JsonObject
from gateway_core.request import OutputSpec, Request

__all__ = ["write_annotations", "write_request"]

_AUDIO_FORMATS = {"audio/mpeg": "mp3"}


def write_request(
    request: Request,
    model: str,
    *,
    issuer: str,
    scope: str | None = None,
    system_role: str = "developer",
    item_fields: Collection[str] = ("phase",),
    namespaces: bool = True,
) -> JsonObject:
    """The JSON body.

    issuer, scope: whose seals are replayed; all other reasoning is left out.
    system_role: role of system messages inside the input.
    item_fields: which fields of the client's own items (`id`, `status`, `phase`, ...) go along. Ids
    of items that the upstream never stored are refused by it, so they do not by default.
    namespaces: whether the upstream knows tool namespaces; otherwise their tools go under flat
    names.

    Raises `Unsupported`, naming it, for content that the format cannot carry.
    """
    items = _ItemWriter(request, issuer, scope, system_role, item_fields, namespaces)
    body: JsonObject = {"model": model}
    if request.instructions:
        body["instructions"] = "\n\n".join(text.text for text in request.instructions)
    body["input"] = items.write()
    if request.tools:
        body["tools"] = write_tools(request.tools, namespaces=namespaces)
        body["tool_choice"] = write_tool_choice(
            request.tool_choice, request.tools, namespaces=namespaces
        )
        if request.tool_choice.parallel is not None:
            body["parallel_tool_calls"] = request.tool_choice.parallel
    body |= _write_knobs(request)
    body |= {"store": False, "stream": True, "include": ["reasoning.encrypted_content"]}
    session = {
        "prompt_cache_key": request.session.cache_key,
        "service_tier": request.session.service_tier,
        "metadata": request.session.metadata,
        "user": request.session.user,
    }
    return body | {key: value for key, value in session.items() if value is not None}


def write_annotations(citations: list[Citation] | None) -> list[JsonObject]:
    """Citations as `url_citation` annotations; unknown offsets become 0, which clients need."""
    return [
        {
            "type": "url_citation",
            "start_index": citation.start or 0,
            "end_index": citation.end or 0,
            "url": citation.url,
            "title": citation.title or "",
        }
        for citation in citations or ()
    ]


def _write_knobs(request: Request) -> JsonObject:
    sampling, wanted = request.sampling, request.reasoning
    reasoning = {
        "effort": wanted.effective_effort,
        "summary": None if wanted.summary == "none" else wanted.summary,
    }
    knobs: JsonObject = {
        "reasoning": {key: value for key, value in reasoning.items() if value is not None},
        "text": _write_output(request.output),
        "max_output_tokens": sampling.max_output_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
    }
    return {key: value for key, value in knobs.items() if value not in (None, {})}


def _write_output(output: OutputSpec) -> JsonObject:
    text: JsonObject = {}
    if output.kind == "json":
        text["format"] = {"type": "json_object"}
    elif output.kind == "json_schema":
        format = {
            "type": "json_schema",
            "name": output.name or "answer",
            "description": output.description,
            "schema": output.schema or {},
            "strict": output.strict,
        }
        text["format"] = {key: value for key, value in format.items() if value is not None}
    if output.verbosity is not None:
        text["verbosity"] = output.verbosity
    return text


class _ItemWriter:
    """Writes the messages of one request as input items."""

    def __init__(
        self,
        request: Request,
        issuer: str,
        scope: str | None,
        system_role: str,
        item_fields: Collection[str],
        namespaces: bool,
    ) -> None:
        self._request = request
        self._issuer = issuer
        self._scope = scope
        self._system_role = system_role
        self._fields = item_fields
        self._names = ToolNames(request.tools) if namespaces else None
        self._items: list[JsonObject] = []

    def write(self) -> list[JsonObject]:
        """All items, in order."""
        for index, message in enumerate(self._request.messages):
            path = f"messages[{index}]"
            if message.role == "assistant":
                self._assistant(message, path)
            else:
                self._told(message, path)
        return self._items

    def _told(self, message: Message, path: str) -> None:
        """A message of the user or the system: outputs are items, the rest is one message."""
        role = "user" if message.role == "user" else self._system_role
        content: list[JsonObject] = []
        for part in message.parts:
            if type(part) is Text or type(part) is Media:
                content.append(_write_part(part, path))
                continue
            item = self._told_item(part, message.role, path)
            if item is None:
                assert isinstance(part, Foreign)  # _told_item refuses everything else
                content.append(part.data)
                continue
            content = self._message(role, content, message.extras)
            self._items.append(item)
        self._message(role, content, message.extras)

    def _told_item(self, part: Part, role: Role, path: str) -> JsonObject | None:
        """The item of its own that a part makes; None for a part of the message's content."""
        if isinstance(part, ToolResult):
            return self._result(part, path)
        if isinstance(part, Foreign):
            _refuse_other_namespace(part, path)
            return part.data if is_item(part.kind, role) else None
        raise Unsupported(
            f"{path}: a {type(part).__name__} cannot be in a message of the {role}", param=path
        )

    def _message(
        self, role: str, content: list[JsonObject], extras: Extras | None
    ) -> list[JsonObject]:
        """Add a message unless it is empty; gives the empty content of the next."""
        if content:
            item: JsonObject = {"type": "message", "role": role, "content": content}
            self._items.append(self._with_kept(item, extras))
        return []

    def _assistant(self, message: Message, path: str) -> None:
        content: list[JsonObject] = []
        extras: Extras | None = None
        for part in message.parts:
            said = self._said(part, path)
            if said is not None:
                part_extras = part.extras if isinstance(part, Text) else extras
                if part_extras != extras:
                    content = self._message("assistant", content, extras)
                    extras = part_extras
                content.append(said)
                continue
            content = self._message("assistant", content, extras)
            item = self._assistant_item(part, path)
            if item is not None:
                self._items.append(item)
        self._message("assistant", content, extras)

    def _said(self, part: Part, path: str) -> JsonObject | None:
        """A content part of the model's message, or None when the part is an item of its own."""
        if isinstance(part, Text):
            if part.refusal:
                return {"type": "refusal", "refusal": part.text}
            said: JsonObject = {"type": "output_text", "text": part.text}
            if part.citations:
                said["annotations"] = write_annotations(part.citations)
            return said
        if isinstance(part, Foreign):
            _refuse_other_namespace(part, path)
            return None if is_item(part.kind, "assistant") else part.data
        return None

    def _assistant_item(self, part: Part, path: str) -> JsonObject | None:
        match part:
            case Reasoning():
                return self._reasoning(part)
            case ToolCall():
                return self._call(part)
            case HostedCall(name="web_search"):
                return self._with_hosted_id(search_item(part, titles=False), part)
            case HostedCall(name="image_generation"):
                return self._with_hosted_id(image_item(part), part)
            case Foreign():
                return self._unsealed(part, path)
            case HostedCall():
                raise Unsupported(
                    f"{path}: a call of the hosted tool {part.name!r} has no Responses form",
                    param=path,
                )
            case Media(kind="image", data=str()):
                result: JsonObject = {"media_type": part.type or "image/png", "data": part.data}
                return image_item(HostedCall("", "image_generation", "", result))
        raise Unsupported(
            f"{path}: a {type(part).__name__} cannot be in a message of the assistant", param=path
        )

    def _unsealed(self, part: Foreign, path: str) -> JsonObject:
        """The item as its issuer gave it. Raises `Unsupported` for a compaction of another one."""
        opaque = part.data.get("encrypted_content")
        if part.kind not in COMPACTIONS or not isinstance(opaque, str):
            return part.data
        if not opaque.startswith(seals.PREFIX):
            return part.data
        seal = seals.unpack(opaque)
        if seal is None or not seals.replayable(seal, self._issuer, self._scope):
            whose = "is damaged" if seal is None else f"was made by {seal.issuer!r} for an account"
            raise Unsupported(
                f"{path}: the compaction of this conversation {whose}, which alone can read it; go "
                "on there (`gateway accounts` shows the accounts), or start a new conversation",
                param=path,
            )
        return {**part.data, "encrypted_content": seal.data}

    def _reasoning(self, part: Reasoning) -> JsonObject | None:
        seal = part.seal
        if seal is None or not seals.replayable(seal, self._issuer, self._scope):
            return None
        summary = [{"type": "summary_text", "text": part.text}] if part.text else []
        item: JsonObject = {"type": "reasoning"}
        if seal.id is not None:
            item["id"] = seal.id
        item |= {"summary": summary, "encrypted_content": seal.data}
        return self._with_kept(item, part.extras, "id")

    def _call(self, call: ToolCall) -> JsonObject:
        kind, text_key = (
            ("custom_tool_call", "input") if call.custom else ("function_call", "arguments")
        )
        item: JsonObject = {"type": kind, "call_id": call.id}
        if self._names is None:
            item["name"] = call.name
        else:
            item |= self._names.fields(call.name, call.extras)
        item[text_key] = call.arguments or ("" if call.custom else "{}")
        return self._with_kept(item, call.extras, "name", "namespace")

    def _result(self, result: ToolResult, path: str) -> JsonObject:
        kind = "custom_tool_call_output" if result.custom else "function_call_output"
        output = _write_output_content(result, path)
        item: JsonObject = {"type": kind, "call_id": result.call_id, "output": output}
        return self._with_kept(item, result.extras)

    def _with_hosted_id(self, item: JsonObject, call: HostedCall) -> JsonObject:
        if "id" in self._fields and call.id:
            item["id"] = call.id
        return self._with_kept(item, call.extras, "action")

    def _with_kept(self, item: JsonObject, extras: Extras | None, *consumed: str) -> JsonObject:
        """The same item, with those of the client's own fields that go along."""
        if extras:
            for key, value in extras_of(extras).items():
                if key in self._fields and key not in consumed:
                    item[key] = value
        return item


def _refuse_other_namespace(part: Foreign, path: str) -> None:
    if part.namespace != FORMAT_NAME:
        raise Unsupported(
            f"{path}: a {part.kind!r} of the {part.namespace} format has no Responses form",
            param=path,
        )


def _write_output_content(result: ToolResult, path: str) -> str | list[JsonObject]:
    """One text when there is nothing but text, else a list of parts."""
    content = result.content
    first = content[0] if content else Text("")
    if len(content) <= 1 and type(first) is Text:
        return f"{FAILED_MARK}\n{first.text}" if result.failed else first.text
    parts = [_write_result_part(part, path) for part in result.content]
    return [{"type": "input_text", "text": FAILED_MARK}, *parts] if result.failed else parts


def _write_result_part(part: ResultPart, path: str) -> JsonObject:
    if isinstance(part, Foreign):
        _refuse_other_namespace(part, path)
        return part.data
    return _write_part(part, path)


def _write_part(part: Text | Media, path: str) -> JsonObject:
    if type(part) is Text:
        return {"type": "input_text", "text": part.text}
    assert type(part) is Media
    kept = extras_of(part.extras)
    detail = {"detail": kept["detail"]} if "detail" in kept else {}
    if part.kind == "image":
        return {"type": "input_image"} | _source(part, "image_url", "image_url", path) | detail
    if part.kind == "document":
        name = {} if part.name is None else {"filename": part.name}
        return {"type": "input_file"} | name | _source(part, "file_data", "file_url", path) | detail
    if part.kind == "audio" and part.data is not None:
        media_type = part.type or "audio/wav"
        format = _AUDIO_FORMATS.get(media_type, media_type.removeprefix("audio/"))
        return {"type": "input_audio", "input_audio": {"data": part.data, "format": format}}
    raise Unsupported(f"{path}: this {part.kind} input has no Responses form", param=path)


def _source(media: Media, data_key: str, url_key: str, path: str) -> JsonObject:
    if media.data is not None:
        data = media.data
        if media.type == "text/plain" and media.kind == "document":
            data = b64encode(data.encode()).decode()
        default = "image/png" if media.kind == "image" else "application/octet-stream"
        return {data_key: f"data:{media.type or default};base64,{data}"}
    if media.url is not None:
        return {url_key: media.url}
    if media.file is not None:
        return {"file_id": media.file}
    raise Unsupported(f"{path}: the {media.kind} has neither data nor URL nor file id", param=path)
