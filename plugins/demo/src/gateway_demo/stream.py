"""From the demo upstream's bytes to events, sans-IO. The protocol is described in `upstream`."""

from gateway_core import (
    Event,
    GatewayError,
    HostedCall,
    JsonObject,
    Media,
    PartWriter,
    Reasoning,
    Seal,
    UpstreamProtocol,
    Usage,
)
from gateway_core.errors import ERROR_CLASSES
from gateway_core.json import dumps_text, loads_object
from gateway_demo.messages import ISSUER

__all__ = ["DemoDecoder", "read_error"]

_COUNTS = ("input", "cache_read", "cache_write", "output", "reasoning", "web_searches")


class DemoDecoder:
    """Lines to events, sans-IO, however the bytes are split."""

    def __init__(self) -> None:
        self._writer = PartWriter()
        self._pending: list[bytes] = []
        self._usage: Usage | None = None

    def feed(self, data: bytes) -> list[Event]:
        """Events of the lines that these bytes complete."""
        if b"\n" not in data:
            self._pending.append(data)
            return []
        *lines, rest = b"".join([*self._pending, data]).split(b"\n")
        self._pending = [rest]
        for line in lines:
            if not self._writer.ended:
                self._read(line)
        return self._writer.take()

    def end(self) -> list[Event]:
        """A `Fail` unless the answer was complete."""
        self._writer.fail(UpstreamProtocol("the demo upstream broke off its answer"))
        return self._writer.take()

    def data_to_send(self) -> bytes:
        """Nothing ever."""
        return b""

    def _read(self, data: bytes) -> None:
        try:
            self._handle(loads_object(data))
        except (ValueError, KeyError, TypeError):
            self._writer.fail(UpstreamProtocol(f"the demo upstream sent nonsense: {data[:80]!r}"))

    def _handle(self, line: JsonObject) -> None:
        """Lines of unknown types are skipped."""
        writer = self._writer
        part = line.get("part")
        match line["type"]:
            case "text":
                writer.text(part, line["text"])
            case "think":
                writer.reasoning(part, line["text"])
            case "tool":
                writer.tool(part, id=line["id"], name=line["name"], custom=line["custom"])
            case "arguments":
                writer.arguments(part, line["text"])
            case "close":
                seal = Seal(ISSUER, line["seal"]) if line["seal"] else None
                if seal and not writer.is_open(part):
                    writer.whole(part, Reasoning("", seal, redacted=True))
                writer.close(part, seal)
            case "search":
                writer.whole(part, _search_call(f"search_{part}", line["query"]))
            case "partial":
                picture = Media("image", "image/png", data=line["data"])
                writer.partial(f"image_{part}", picture)
            case "image":
                writer.whole(part, _image_part(f"image_{part}", line))
            case "usage":
                self._usage = Usage(**{name: line.get(name) for name in _COUNTS})
                writer.usage(self._usage)
            case "begin":
                writer.begin(model=line["model"])
            case "error":
                writer.fail(_scripted_error(line))
            case "end":
                writer.end(line["reason"], self._usage, raw_reason=line["reason"])


def read_error(body: bytes) -> GatewayError | None:
    """The error in the body of a non-2xx answer; None when it holds none of ours."""
    try:
        return _scripted_error(loads_object(body)["error"])
    except (ValueError, KeyError, TypeError):
        return None


def _scripted_error(line: JsonObject) -> GatewayError:
    return ERROR_CLASSES[line["kind"]](line["message"], retry_after=line.get("retry_after"))


def _search_call(id: str, query: str) -> HostedCall:
    sources = [
        {"url": f"https://{name}.example/", "title": f"{query} in the {name}"}
        for name in ("encyclopedia", "news")
    ]
    return HostedCall(id, "web_search", dumps_text({"query": query}), {"sources": sources})


def _image_part(id: str, line: JsonObject) -> Media | HostedCall:
    """The outcome of the image tool where the client offered it, else a plain image."""
    if not line["hosted"]:
        return Media("image", "image/png", data=line["data"])
    prompt = dumps_text({"prompt": f"a {line['colour']} picture"})
    result = {"media_type": "image/png", "data": line["data"]}
    return HostedCall(id, "image_generation", prompt, result)
