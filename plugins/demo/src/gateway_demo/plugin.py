"""The demo provider: the hooks and nothing else, to be read first and copied.

A provider says who it is, lists its models, translates a request into one upstream call, and
decodes the answer. This one has no HTTP upstream, so it also opens its own stream; most providers
leave that to the core. How a request becomes a call is in `request`, how the answer becomes events
in `stream`; `script` and `upstream` are the make-believe vendor.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from gateway_core import (
    CONTRACT,
    Capabilities,
    GatewayError,
    Model,
    ProviderInfo,
    Request,
    Route,
    UpstreamCall,
    hookimpl,
)
from gateway_core.json import dumps, loads_object
from gateway_core.request import EFFORTS, Sampling
from gateway_demo.request import write_program
from gateway_demo.script import Section, parse_script
from gateway_demo.stream import DemoDecoder, read_error
from gateway_demo.upstream import DemoStream, open_stream

__all__ = ["DemoProvider", "DemoSettings"]

_INPUT = ("text", "image", "document", "audio", "video")
_CAPABILITIES = Capabilities(
    input=frozenset(_INPUT),
    custom_tools=True,
    hosted_tools=frozenset({"web_search", "image_generation"}),
    verbosity=True,
    sampling=frozenset(field.name for field in fields(Sampling)),
    efforts=EFFORTS,
)
_MODELS = tuple(
    Model(
        id,
        title=title,
        aliases=aliases,
        context_window=200_000,
        max_output_tokens=64_000,
        input=_INPUT,
        efforts=EFFORTS,
        default_effort="medium",
        created=datetime(2026, 1, 1, tzinfo=UTC),
    )
    for id, title, aliases in (
        ("demo", "Demo", ("demo-1",)),
        ("demo-thinking", "Demo, thinking aloud", ()),
    )
)


class DemoSettings(BaseModel):
    """`[providers.demo]`. The script file is read once, when the settings are loaded."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    delay_ms: int = Field(default=0, ge=0, le=60_000, description="pause after each word")
    script: Path | None = Field(default=None, description="file with a script for every prompt")

    _sections: list[Section] = PrivateAttr(default_factory=list)

    @model_validator(mode="after")
    def _read_script(self) -> Self:
        if self.script is not None:
            try:
                text = self.script.expanduser().read_text("utf-8")
            except OSError as error:
                raise ValueError(f"cannot read the script: {error}") from error
            self._sections = parse_script(text)
        return self

    @property
    def sections(self) -> list[Section]:
        """The sections of the script file; none when there is no file."""
        return self._sections


class DemoProvider:
    """Answers from a script. Keeps nothing but how often scripts with `times=` were tried."""

    def __init__(self) -> None:
        self._attempts: Counter[tuple[str | None, str, int]] = Counter()

    @hookimpl
    def gateway_provider(self) -> ProviderInfo:
        """No login, no hosts, everything supported."""
        return ProviderInfo(
            id="demo",
            title="Demo",
            contract=CONTRACT,
            settings=DemoSettings,
            capabilities=_CAPABILITIES,
        )

    @hookimpl
    async def gateway_models(self) -> Sequence[Model]:
        """A static list."""
        return _MODELS

    @hookimpl
    def gateway_translate(
        self, request: Request, route: Route, settings: DemoSettings
    ) -> UpstreamCall:
        """One call whose body is the program to perform."""
        program = write_program(request, route, settings.sections, settings.delay_ms)
        return UpstreamCall("POST", "demo:", {"content-type": "application/json"}, dumps(program))

    @hookimpl
    def gateway_open(self, call: UpstreamCall) -> AbstractAsyncContextManager[DemoStream]:
        """Perform the program here, since there is no server to ask."""
        program = loads_object(call.body)
        attempt = 1
        if any("times" in step for step in program["steps"]):
            turn = (program["session"], program["prompt"], program["turn"])
            self._attempts[turn] += 1
            attempt = self._attempts[turn]
        return open_stream(program, attempt)

    @hookimpl
    def gateway_decoder(self) -> DemoDecoder:
        """A fresh decoder."""
        return DemoDecoder()

    @hookimpl
    def gateway_error(
        self, status: int, headers: Mapping[str, str], body: bytes
    ) -> GatewayError | None:
        """The error that the body names."""
        return read_error(body)
