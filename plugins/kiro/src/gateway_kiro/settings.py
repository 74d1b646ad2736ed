"""The settings of the plugin: `[providers.kiro]`.

Everything that a simulator or a proxy needs can be set here, so that no code has to know of them.
Addresses may hold `{region}`. What the values mean on the wire is in `identity`, `endpoints`,
`request` and `login`.
"""

import os
import platform
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from gateway_core import __version__
from gateway_core.setting_types import HeaderText

__all__ = ["BUILDER_START_URL", "PAYLOAD_LIMIT", "KiroSettings"]

PAYLOAD_LIMIT: Final = 1_200_000
"""Bytes of a request that the service was seen to take; it refused 1.3 million."""

BUILDER_START_URL: Final = "https://view.awsapps.com/start"
"""Where everyone with an AWS Builder ID signs in."""


def _check_url(value: str) -> str:
    if not value.startswith(("https://", "http://")):
        raise ValueError("must start with https:// or http://")
    if value.replace("{region}", "").count("{"):
        raise ValueError("may hold no placeholder but {region}")
    return value.rstrip("/")


def _check_optional_url(value: str) -> str:
    return _check_url(value) if value else value


_Url = Annotated[str, AfterValidator(_check_url)]
_OptionalUrl = Annotated[str, AfterValidator(_check_optional_url)]
_Port = Annotated[int, Field(ge=0, le=65_535)]
_Region = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")]


def _payload_limit() -> int:
    """The default, or what the variables say that other gateways for Kiro read."""
    for name, factor in (
        ("KIRO_PAYLOAD_SIZE_LIMIT_BYTES", 1.0),
        ("KIRO_MAX_PAYLOAD_SIZE_MB", 1024.0 * 1024.0),
    ):
        try:
            limit = float(os.environ.get(name, "")) * factor
        except ValueError:
            continue
        if 0 <= limit < 1e12:
            return int(limit)
    return PAYLOAD_LIMIT


class KiroSettings(BaseModel):
    """`[providers.kiro]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    portal_url: _Url = Field(
        default="https://app.kiro.dev", description="where people sign in with Google or GitHub"
    )
    auth_url: _Url = Field(
        default="https://prod.{region}.auth.desktop.kiro.dev",
        description="where such logins are exchanged and renewed",
    )
    oidc_url: _Url = Field(
        default="https://oidc.{region}.amazonaws.com",
        description="where logins of AWS Builder ID and IAM Identity Center happen",
    )
    runtime_url: _Url = Field(
        default="https://runtime.{region}.kiro.dev", description="where models are asked"
    )
    management_url: _Url = Field(
        default="https://management.{region}.kiro.dev",
        description="where models, profiles and limits are listed",
    )
    legacy_url: _OptionalUrl = Field(
        default="https://q.{region}.amazonaws.com",
        description="the older host, for when the newer ones do not answer; empty for none",
    )
    endpoint: Literal["runtime", "runtime-rest", "legacy"] = Field(
        default="runtime", description="the form in which models are asked"
    )
    target: HeaderText = Field(
        default="AmazonCodeWhispererStreamingService",
        description="the service that is named in the runtime form",
    )
    origin: Literal["AI_EDITOR", "KIRO_CLI", "CLI"] = Field(
        default="AI_EDITOR", description="which program the questions are said to come from"
    )
    region: _Region | None = Field(
        default=None, description="region of the service; else that of the profile or the login"
    )
    profile_arn: str | None = Field(
        default=None,
        pattern=r"^arn:aws[a-z-]*:codewhisperer:[a-z0-9-]+:\d{12}:profile/[A-Za-z0-9]+$",
        description="the profile to use, where the login has several",
    )
    login: Literal["google", "github", "builder-id", "identity-center", "api-key"] | None = Field(
        default=None, description="the way to log in; else it is asked for"
    )
    start_url: _OptionalUrl = Field(
        default="", description="start URL of your organisation's IAM Identity Center"
    )
    sso_region: _Region | None = Field(
        default=None, description="region of your organisation's IAM Identity Center"
    )
    callback_ports: tuple[_Port, ...] = Field(
        default=(3128,),
        min_length=1,
        description="where the portal comes back to; it is known to accept 3128 only",
    )
    redirect_from: HeaderText = Field(
        default="kirocli", description="which program the portal is told of"
    )
    write_back: bool = Field(
        default=True, description="give renewed tokens to the program a login was imported from"
    )
    user_agent: HeaderText | None = Field(
        default=None, description="User-Agent header; our own name and version when not set"
    )
    thinking: Literal["tags", "off"] = Field(
        default="tags",
        description="how to ask models for thinking that have no setting of their own for it",
    )
    payload_limit_bytes: int = Field(
        default_factory=_payload_limit,
        ge=0,
        description="largest request without its images; 0 for any size",
    )
    on_overflow: Literal["auto", "error", "trim"] = Field(
        default="auto",
        description="what becomes of a larger one: an error, trimming the oldest turns, or an "
        "error for clients of the Messages API (they compact) and trimming for others",
    )
    search_rounds: int = Field(
        default=5, ge=0, le=20, description="how often a model may search the web in one turn"
    )

    @property
    def agent(self) -> str:
        """The User-Agent header."""
        if self.user_agent is not None:
            return self.user_agent
        system = f"{platform.system()} {platform.release()}; {platform.machine()}"
        return f"gateway-kiro/{__version__} ({system})"
