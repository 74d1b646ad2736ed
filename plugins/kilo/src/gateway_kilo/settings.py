"""The settings of the plugin, `[providers.kilo]`."""

from urllib.parse import urlsplit
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from gateway_core.setting_types import BaseUrl

__all__ = ["KiloSettings"]


class KiloSettings(BaseModel):
    """`[providers.kilo]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: BaseUrl = Field(
        default="https://api.kilo.ai/api/gateway",
        description="where models are asked; logins and accounts are at the same host",
    )
    model: str = Field(
        default="kilo-auto/free", min_length=1, description="what the bare name `kilo` means"
    )
    organization: UUID | None = Field(
        default=None, description="the organization that pays; without one, you do"
    )
    idle_timeout: float = Field(
        default=120.0,
        gt=0,
        description="longest silence within an answer, in seconds; Kilo sends comments meanwhile",
    )

    @property
    def api_url(self) -> str:
        """Where the paths of logins and accounts begin."""
        address = urlsplit(self.base_url)
        return f"{address.scheme}://{address.netloc}/api"
