"""An honest provider of an unusual kind: text alone, a dialogue without a system role, answers in
NDJSON, and a key that stands in its header encoded, in another header, or is not needed at all.
"""

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from pydantic import SecretStr

from gateway_core import (
    CONTRACT,
    Capabilities,
    Credential,
    Event,
    JsonObject,
    LoginPrompt,
    LoginRequired,
    Message,
    Model,
    Overloaded,
    PartWriter,
    ProviderInfo,
    Request,
    Text,
    ToolCall,
    ToolResult,
    Unsupported,
    UpstreamCall,
    UpstreamProtocol,
    Usage,
    hookimpl,
)
from gateway_core.content import Part
from gateway_core.json import dumps, loads_object
from gateway_core.provider import LoginKind
from gateway_core.testing.credentials import fake_credential
from gateway_core.testing.subject import Subject
from gateway_core.testing.transcripts import Expectation, Transcript
from gateway_core.testing.vendor import KeyVendor

__all__ = ["BasicOdd", "KeyOdd", "Odd", "odd_subject"]

_CAPABILITIES = Capabilities(
    input=frozenset({"text"}),
    tools=False,
    tool_choice=frozenset(),
    parallel_tools=False,
    output=frozenset({"text"}),
    sampling=frozenset({"max_output_tokens"}),
    efforts=(),
)


class OddDecoder:
    """`{"t": "text"}`, `{"err": "words"}` and `{"end": true, "n": 4}`, one to a line."""

    def __init__(self) -> None:
        self._writer = PartWriter()
        self._pieces: list[bytes] = []

    def feed(self, data: bytes) -> Sequence[Event]:
        """What the lines say that are complete."""
        if b"\n" not in data:
            self._pieces.append(data)
            return []
        *lines, rest = b"".join([*self._pieces, data]).split(b"\n")
        self._pieces = [rest]
        for line in lines:
            if not self._writer.ended:
                self._read(line)
        return self._writer.take()

    def end(self) -> Sequence[Event]:
        """A failure, unless it ended."""
        if not self._writer.ended:
            self._writer.fail(UpstreamProtocol("Odd broke off its answer"))
        return self._writer.take()

    def data_to_send(self) -> bytes:
        """Nothing."""
        return b""

    def _read(self, line: bytes) -> None:
        try:
            event = loads_object(line)
        except ValueError:
            self._writer.fail(UpstreamProtocol("Odd sent a line that is no JSON object"))
            return
        match event:
            case {"t": str(text)}:
                self._writer.text(0, text)
            case {"err": str(words)}:
                self._writer.fail(Overloaded(words))
            case {"end": True}:
                count = event.get("n")
                known = type(count) is int and count >= 0
                self._writer.end("stop", Usage(output=count) if known else None)


class Odd:
    """Needs no login."""

    login: ClassVar[LoginKind] = "none"

    @hookimpl
    def gateway_provider(self) -> ProviderInfo:
        """Odd."""
        return ProviderInfo(
            "odd", "Odd", CONTRACT, self.login, capabilities=_CAPABILITIES, hosts=("odd.example",)
        )

    @hookimpl
    async def gateway_models(self) -> Sequence[Model]:
        """One."""
        return [Model("odd-1", title="Odd", context_window=8000)]

    @hookimpl
    def gateway_translate(self, request: Request, credential: Credential | None) -> UpstreamCall:
        """Who said what; what the developer said stands in the user's name before it."""
        told = [{"who": "me", "said": text.text} for text in request.instructions]
        said = [line for message in request.messages for line in _lines(message)]
        body: JsonObject = {"dialogue": [*told, *said]}
        if request.sampling.max_output_tokens is not None:
            body["cap"] = request.sampling.max_output_tokens
        key = "" if credential is None else credential.access_token.get_secret_value()
        return UpstreamCall("POST", "https://odd.example/", self.headers(key), dumps(body))

    @hookimpl
    def gateway_decoder(self) -> OddDecoder:
        """A fresh one."""
        return OddDecoder()

    def headers(self, key: str) -> dict[str, str]:
        """How it is told who asks."""
        return {}


class KeyOdd(Odd):
    """Wants a key in a header of its own."""

    login = "key"

    @hookimpl
    async def gateway_login(self, prompt: LoginPrompt) -> Credential:
        """The key, asked for."""
        if not (key := (await prompt.ask("key: ", secret=True)).strip()):
            raise LoginRequired("no key was given; run `gateway login odd`")
        return Credential(provider="odd", account="default", access_token=SecretStr(key))

    @hookimpl
    async def gateway_refresh(self, credential: Credential) -> Credential:
        """Keys stay as they are."""
        raise LoginRequired("the key was refused; run `gateway login odd`")

    def headers(self, key: str) -> dict[str, str]:
        """The key as it is."""
        return {"x-api-key": key}


class BasicOdd(KeyOdd):
    """Wants the key as a password."""

    def headers(self, key: str) -> dict[str, str]:
        """The key, encoded."""
        return {"authorization": f"Basic {b64encode(f'me:{key}'.encode()).decode()}"}


def _lines(message: Message) -> Iterator[Mapping[str, str]]:
    who = "you" if message.role == "assistant" else "me"
    for part in message.parts:
        for text in _texts(part):
            yield {"who": who, "said": text}


def _texts(part: Part) -> Iterator[str]:
    match part:
        case Text():
            yield part.text
        case ToolCall():
            yield f"{part.name} {part.arguments}"
        case ToolResult():
            for inner in part.content:
                if not isinstance(inner, Text):
                    raise Unsupported("Odd takes no media in results")
                yield f"Error: {inner.text}" if part.failed else inner.text
        case _ if (kind := getattr(part, "kind", None)) is not None:
            raise Unsupported(f"Odd takes no {kind}")


def odd_subject(make: type[Odd]) -> Subject:
    """It with everything that its author gives the kit."""
    keyed = make.login != "none"
    text = b'{"t":"Hello, "}\n{"t":"strange world"}\n{"end":true,"n":4}\n'
    half = b'{"t":"Half"}\n{"err":"busy"}\n'
    return Subject(
        make=make,
        credential=fake_credential("odd") if keyed else None,
        vendor=KeyVendor if keyed else None,
        transcripts=[
            Transcript("text", text, "ndjson", expect=Expectation(text="Hello, strange world")),
            Transcript("error", half, "ndjson", expect=Expectation(error="overloaded")),
        ],
        conversation=lambda call: list(loads_object(call.body)["dialogue"]),
    )
