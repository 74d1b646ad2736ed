"""The settings of the plugin: `[providers.cursor]`.

Everything that a simulator or a proxy needs can be set here, so that no code has to know of them.
What the values mean on the wire is in `identity`, `login`, `opening` and `request`.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway_core import __version__
from gateway_core.setting_types import BaseUrl, HeaderText

__all__ = ["CursorSettings"]


class CursorSettings(BaseModel):
    """`[providers.cursor]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: BaseUrl = Field(
        default="https://api2.cursor.sh", description="where Cursor answers: logins, lists, models"
    )
    run_url: BaseUrl | None = Field(
        default=None, description="where models are asked, if it is another host"
    )
    website: BaseUrl = Field(
        default="https://cursor.com", description="where people log in and see their account"
    )
    login: Literal["browser", "api-key"] | None = Field(
        default=None, description="the way to log in; else the browser, and with --device a choice"
    )
    client_version: HeaderText = Field(
        default="cli-2026.09.15-d2fe57e", description="version of Cursor's CLI that is told"
    )
    user_agent: HeaderText | None = Field(
        default=None, description="User-Agent header; our own name and version when not set"
    )
    privacy: bool = Field(
        default=True, description="ask Cursor not to keep what is sent, nor to train on it"
    )
    default_mode: Literal["auto", "agent", "ask"] = Field(
        default="auto",
        description="the mode of names without one: agent for requests with tools, else ask",
    )
    allow_web_search: bool = Field(
        default=False, description="let models search the web at Cursor, which bills it"
    )
    held_seconds: float = Field(
        default=600.0, gt=0, description="how long a run waits for the results of a client's tools"
    )
    held_runs: int = Field(
        default=64,
        ge=0,
        description="how many runs may wait at once; 0 to replay each turn instead",
    )
    max_native_calls: int = Field(
        default=25, ge=1, description="how often a model may try Cursor's own tools in one turn"
    )

    @property
    def agent(self) -> str:
        """The User-Agent header."""
        return self.user_agent or f"gateway-cursor/{__version__}"

    @property
    def run_base(self) -> str:
        """Where models are asked."""
        return self.run_url or self.base_url
