"""The Grok provider conforms."""

from collections.abc import Collection, Mapping
from pathlib import Path

import httpx
import pytest

from gateway_core import Credential
from gateway_core.testing import OAuthVendor, ProviderConformance, fake_credential
from gateway_grok.login import CLIENT_ID
from gateway_grok.plugin import GrokProvider

AUTH_URL = "http://auth.vendor.example"


class GrokVendor(OAuthVendor):
    """A login service with discovery."""

    methods: Collection[str] = ("browser", "paste", "device")
    authorize_url = f"{AUTH_URL}/oauth2/authorize"
    token_url = f"{AUTH_URL}/oauth2/token"
    device_url = f"{AUTH_URL}/oauth2/device/code"
    client_id = CLIENT_ID

    def other(self, request: httpx.Request) -> httpx.Response:
        """The discovery document and the models; there is no profile."""
        if request.url.path == "/v1/models":
            return httpx.Response(200, json={"data": [{"id": "grok-4.5"}]})
        if not request.url.path.startswith("/.well-known/"):
            return httpx.Response(404, json={"error": "not found"})
        document = {
            "issuer": AUTH_URL,
            "authorization_endpoint": self.authorize_url,
            "token_endpoint": self.token_url,
            "device_authorization_endpoint": self.device_url,
        }
        return httpx.Response(200, json=document)


class TestGrok(ProviderConformance):
    """The whole kit."""

    transcripts = Path(__file__).parent / "transcripts"

    @pytest.fixture
    def provider(self) -> type[GrokProvider]:
        return GrokProvider

    @pytest.fixture
    def credential(self) -> Credential:
        return fake_credential("grok")

    @pytest.fixture
    def settings(self) -> Mapping[str, object]:
        return {"auth_url": AUTH_URL, "callback_ports": [0]}

    @pytest.fixture
    def vendor(self) -> type[GrokVendor]:
        return GrokVendor
