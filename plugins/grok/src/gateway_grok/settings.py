"""The settings of the plugin: `[providers.grok]`.

Everything that a simulator or a proxy needs can be set here, so that no code has to know of them.
What these values mean on the wire is in `rails`, `request`, `models` and `login`.
"""

import platform
import re
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from gateway_core.setting_types import BaseUrl, HeaderText

__all__ = ["FamilyModels", "GrokSettings", "Rail"]

Rail: TypeAlias = Literal["api", "proxy"]
"""One of the two hosts that take the same token: the public API, or the proxy of Grok's CLI."""

_Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
_VERSION = re.compile(r"\d+\.\d+\.\d+")


def _check_version(value: str) -> str:
    if not _VERSION.fullmatch(value):
        raise ValueError("must be a plain version such as 1.0.6: the proxy takes no other")
    return value


_Version = Annotated[str, AfterValidator(_check_version)]
_Port = Annotated[int, Field(ge=0, le=65_535)]


class FamilyModels(BaseModel):
    """`[providers.grok.models]`: which models stand for the families that Claude Code asks for.

    A value may carry a suffix (`grok-4.5-low`); an empty one leaves the family to other providers.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    opus: str = Field(default="grok-4.5", description="for opus and claude-opus-*")
    sonnet: str = Field(default="grok-4.5", description="for sonnet and claude-sonnet-*")
    haiku: str = Field(default="grok-build-0.1", description="for haiku and claude-haiku-*")


class GrokSettings(BaseModel):
    """`[providers.grok]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rail: Literal["auto", "api", "proxy"] = Field(
        default="auto",
        description="which host is asked: the public API, the proxy of Grok's CLI, or the one that "
        "suits the request and then, once, the other",
    )
    api_url: BaseUrl = Field(default="https://api.x.ai/v1", description="the public API")
    proxy_url: BaseUrl = Field(
        default="https://cli-chat-proxy.grok.com/v1", description="the proxy of Grok's CLI"
    )
    auth_url: BaseUrl = Field(default="https://auth.x.ai", description="where logins happen")
    callback_ports: tuple[_Port, ...] = Field(
        default=(56121, 0),
        min_length=1,
        description="where a login in the browser comes back to; 0 is any free port",
    )
    referrer: HeaderText = Field(default="gateway", description="how we name ourselves at a login")
    client_version: _Version = Field(
        default="1.0.6", description="version of Grok's CLI that the proxy is told"
    )
    client_identifier: HeaderText = Field(
        default="grok-shell", description="name of the client that the proxy is told"
    )
    user_agent: HeaderText | None = Field(
        default=None, description="User-Agent header; made from identifier and version when not set"
    )
    model: str | None = Field(default=None, description="answers every request, whatever it names")
    models: FamilyModels = Field(
        default=FamilyModels(), description="models for the Claude families"
    )
    image_model: str = Field(
        default="grok-imagine-image-quality",
        description="paints where the request names no image model of xAI",
    )
    effort: _Effort | None = Field(
        default=None, description="reasoning effort where neither name nor request says one"
    )
    summary: Literal["none", "auto", "concise", "detailed"] | None = Field(
        default=None,
        description="reasoning summary where the request says none; else auto where it is shown",
    )
    idle_timeout: float = Field(
        default=600.0,
        gt=0,
        description="longest silence within an answer, in seconds; reasoning may be silent",
    )
    forward_stop: bool = Field(
        default=False,
        description="send stop sequences to the public API too; they are always honoured here",
    )

    @property
    def agent(self) -> str:
        """The User-Agent header."""
        if self.user_agent is not None:
            return self.user_agent
        system = f"{platform.system().lower()}; {platform.machine()}"
        return f"{self.client_identifier}/{self.client_version} ({system})"

    def base_url(self, rail: Rail) -> str:
        """Where a rail's paths begin."""
        return self.api_url if rail == "api" else self.proxy_url
