"""The Kimi provider conforms."""

from collections.abc import Collection, Mapping
from pathlib import Path

import httpx
import pytest

from gateway_core import Credential
from gateway_core.testing import OAuthVendor, ProviderConformance, fake_credential
from gateway_kimi.login import CLIENT_ID
from gateway_kimi.plugin import KimiProvider

AUTH_URL = "http://auth.vendor.example"


class KimiVendor(OAuthVendor):
    """A login service with device codes, and an API that tells who is asking."""

    methods: Collection[str] = ("device",)
    token_url = f"{AUTH_URL}/api/oauth/token"
    device_url = f"{AUTH_URL}/api/oauth/device_authorization"
    client_id = CLIENT_ID
    lifetime = 900

    def other(self, request: httpx.Request) -> httpx.Response:
        """The profile and the models."""
        if request.url.path == "/coding/v1/me":
            return httpx.Response(200, json={"user_id": "u-7", "nickname": "Ann"})
        if request.url.path == "/coding/v1/models":
            model = {"id": "k3", "context_length": 1_048_576, "supports_reasoning": True}
            return httpx.Response(200, json={"data": [model]})
        return httpx.Response(404, json={"error": {"message": "not found"}})


class TestKimi(ProviderConformance):
    """The whole kit."""

    transcripts = Path(__file__).parent / "transcripts"

    @pytest.fixture
    def provider(self) -> type[KimiProvider]:
        return KimiProvider

    @pytest.fixture
    def credential(self) -> Credential:
        return fake_credential("kimi", extra={"region": "china", "device_id": "d" * 32})

    @pytest.fixture
    def settings(self) -> Mapping[str, object]:
        return {"auth_url": AUTH_URL, "device_id": "d" * 32}

    @pytest.fixture
    def vendor(self) -> type[KimiVendor]:
        return KimiVendor
