"""The settings of the plugin: `[providers.codex]`.

Everything that a simulator or a proxy needs can be set here, so that no code has to know of them.
What these values mean on the wire is in `request`, `models` and `login`.
"""

import platform
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway_core import __version__
from gateway_core.setting_types import BaseUrl, HeaderText

__all__ = ["CodexSettings", "FamilyModels"]

_Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


_Port = Annotated[int, Field(ge=0, le=65_535)]


class FamilyModels(BaseModel):
    """`[providers.codex.models]`: which models stand for the families that Claude Code asks for.

    A value may carry suffixes (`gpt-5.5-high`); an empty one leaves the family to other providers.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    opus: str = Field(default="gpt-5.5", description="for opus and claude-opus-*")
    sonnet: str = Field(default="gpt-5.4", description="for sonnet and claude-sonnet-*")
    haiku: str = Field(default="gpt-5.4-mini", description="for haiku and claude-haiku-*")


class CodexSettings(BaseModel):
    """`[providers.codex]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: BaseUrl = Field(
        default="https://chatgpt.com/backend-api/codex", description="where models are asked"
    )
    backend_url: BaseUrl = Field(
        default="https://chatgpt.com/backend-api", description="where usage and account are asked"
    )
    auth_url: BaseUrl = Field(default="https://auth.openai.com", description="where logins happen")
    callback_ports: tuple[_Port, ...] = Field(
        default=(1455, 1457),
        min_length=1,
        description="where a login in the browser comes back to; OpenAI knows these two alone",
    )
    revoke_imported: bool = Field(
        default=False, description="let logout revoke a login that Codex CLI shares, too"
    )
    originator: HeaderText = Field(default="gateway", description="how we name ourselves")
    user_agent: HeaderText | None = Field(
        default=None, description="User-Agent header; made from originator and system when not set"
    )
    client_version: HeaderText = Field(
        default="0.169.0", description="Codex version whose model list is asked for"
    )
    model: str | None = Field(default=None, description="answers every request, whatever it names")
    models: FamilyModels = Field(
        default=FamilyModels(), description="models for the Claude families"
    )
    effort: _Effort | None = Field(
        default=None, description="reasoning effort where neither name nor request says one"
    )
    summary: Literal["none", "auto", "concise", "detailed"] | None = Field(
        default=None,
        description="reasoning summary where the request says none; else auto where it is shown",
    )
    verbosity: Literal["low", "medium", "high"] | None = Field(
        default=None, description="length of answers where the request says none"
    )
    service_tier: Literal["fast", "priority", "flex", "ultrafast"] | None = Field(
        default=None, description="service tier where the request says none"
    )

    @property
    def agent(self) -> str:
        """The User-Agent header; bare HTTP libraries' names are turned away by the edge."""
        if self.user_agent is not None:
            return self.user_agent
        system = f"{platform.system()} {platform.release()}; {platform.machine()}"
        return f"{self.originator}/{__version__} ({system})"
