"""Small provider plugins for tests of the core: the least a provider can be."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from gateway_core import (
    CONTRACT,
    Claim,
    Credential,
    Event,
    Model,
    PartWriter,
    ProviderInfo,
    Request,
    Route,
    UpstreamCall,
    UpstreamProtocol,
    hookimpl,
)
from gateway_core.provider import LoginKind


class LocalStream:
    """An upstream answer that is already here: a status and the reads of its body."""

    def __init__(
        self, reads: Sequence[bytes], status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        self.status = status
        self.headers: Mapping[str, str] = headers or {}
        self._reads = reads

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for data in self._reads:
            yield data

    async def send(self, data: bytes) -> None:
        raise AssertionError("this upstream takes no bytes")


class LineDecoder:
    """One text delta per line; `.` alone ends the answer."""

    def __init__(self) -> None:
        self._writer = PartWriter()
        self._rest = b""

    def feed(self, data: bytes) -> list[Event]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line == b".":
                self._writer.end("stop")
            else:
                self._writer.text("text", line.decode())
        return self._writer.take()

    def end(self) -> list[Event]:
        self._writer.fail(UpstreamProtocol("the lines ended without a full stop"))
        return self._writer.take()

    def data_to_send(self) -> bytes:
        return b""


class LineProvider:
    """A provider that answers the lines it was given."""

    def __init__(
        self,
        id: str = "lines",
        *,
        models: Sequence[Model] = (Model("line-1"),),
        claims: Mapping[str, Claim] | None = None,
        reads: Sequence[bytes] = (b"hello\n.\n",),
        login: LoginKind = "none",
        contract: int = CONTRACT,
    ) -> None:
        self.plugin_name = id
        self.reads = reads
        self._info = ProviderInfo(id, id.title(), contract, login)
        self._models = models
        self._claims = claims or {}

    @hookimpl
    def gateway_provider(self) -> ProviderInfo:
        return self._info

    @hookimpl
    async def gateway_login(self) -> Credential:
        raise AssertionError("no test logs in here")

    @hookimpl
    async def gateway_models(self) -> Sequence[Model]:
        return self._models

    @hookimpl
    def gateway_claim(self, name: str) -> Claim | None:
        return self._claims.get(name)

    @hookimpl
    def gateway_translate(self, request: Request, route: Route) -> UpstreamCall:
        return UpstreamCall("POST", "lines:", {}, route.model.encode())

    @hookimpl
    @asynccontextmanager
    async def gateway_open(self, call: UpstreamCall) -> AsyncIterator[LocalStream]:
        yield LocalStream(self.reads)

    @hookimpl
    def gateway_decoder(self) -> LineDecoder:
        return LineDecoder()
