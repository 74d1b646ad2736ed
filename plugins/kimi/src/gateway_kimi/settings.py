"""The settings of the plugin, `[providers.kimi]`, and the addresses of Kimi's two regions."""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway_core import Credential
from gateway_core.setting_types import BaseUrl, HeaderText

__all__ = ["KimiSettings"]


_AUTH: Final = {"china": "https://auth.kimi.com", "global": "https://auth.kimi.ai"}
_API: Final = {
    "china": "https://api.kimi.com/coding/v1",
    "global": "https://api.kimi.ai/coding/v1",
}


class KimiSettings(BaseModel):
    """`[providers.kimi]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    region: Literal["china", "global"] = Field(
        default="china", description="where new logins happen: at kimi.com, or at kimi.ai"
    )
    auth_url: BaseUrl | None = Field(default=None, description="the login service, if another")
    base_url: BaseUrl | None = Field(default=None, description="the API, if another")
    version: HeaderText = Field(default="1.49.0", description="version of Kimi's CLI that is told")
    platform: HeaderText = Field(default="kimi_cli", description="name of the program that is told")
    user_agent: HeaderText | None = Field(
        default=None, description="User-Agent header; KimiCLI and the version when not set"
    )
    device_id: HeaderText | None = Field(
        default=None, description="what Kimi knows this machine by; made once when not set"
    )
    idle_timeout: float = Field(
        default=600.0, gt=0, description="longest silence within an answer, in seconds"
    )

    def auth(self, credential: Credential | None = None) -> str:
        """The login service that a login belongs to, or where new ones are made."""
        return self.auth_url or _AUTH[self._region(credential)]

    def api(self, credential: Credential) -> str:
        """The API that a login belongs to."""
        return self.base_url or _API[self._region(credential)]

    def _region(self, credential: Credential | None) -> str:
        region = credential.extra.get("region", "") if credential else ""
        return region if region in _API else self.region
