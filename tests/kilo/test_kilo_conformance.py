"""The Kilo provider conforms."""

import itertools
from collections.abc import Collection, Mapping
from pathlib import Path

import httpx
import pytest

from gateway_core import Credential
from gateway_core.json import loads_object
from gateway_core.testing import ProviderConformance, fake_credential
from gateway_core.testing.case import NotApplicable
from gateway_core.testing.vendor import Decision, Mood
from gateway_kilo.plugin import KiloProvider

API_URL = "https://api.kilo.ai/api"


class KiloVendor:
    """Kilo's device login, which is none of OAuth's, and its models."""

    methods: Collection[str] = ("device",)
    answers: Collection[str] = ()

    def __init__(self) -> None:
        self._mood: Mood = "well"
        self._numbers = itertools.count(1)
        self._codes: dict[str, Decision | None] = {}
        self._secrets: set[str] = set()

    def transport(self) -> httpx.AsyncBaseTransport:
        return httpx.MockTransport(self._answer)

    async def browse(self, url: str, decision: Decision) -> str | None:
        self._codes = {code: decided or decision for code, decided in self._codes.items()}
        return None

    def be(self, mood: Mood) -> None:
        if mood not in ("well", "pending"):
            raise NotApplicable("the vendor refreshes nothing")
        self._mood = mood

    def secrets(self) -> Collection[str]:
        return frozenset(self._secrets)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        match request.method, str(request.url).removeprefix(API_URL):
            case "POST", "/device-auth/codes":
                return httpx.Response(200, json=self._start())
            case "POST", "/device-auth/token":
                return self._poll(loads_object(request.content)["deviceCode"])
            case "GET", "/gateway/models":
                paid = {
                    "id": "anthropic/claude-opus-5",
                    "name": "Opus",
                    "context_length": 1_000_000,
                }
                return httpx.Response(200, json={"data": [paid, {"id": "a/b:free"}]})
        return httpx.Response(404, json={"error": "Not found", "error_type": "invalid_path"})

    def _start(self) -> Mapping[str, object]:
        code = self._secret("device-code")
        self._codes[code] = None
        page = "https://app.kilo.ai/device-auth?code=KX7P-M2QD"
        told = {"code": "KX7P-M2QD", "user_code": "KX7P-M2QD", "verificationUrl": page}
        return {**told, "device_code": code, "expiresIn": 600}

    def _poll(self, code: str) -> httpx.Response:
        decided = self._codes.get(code)
        if code in self._codes and (self._mood == "pending" or decided is None):
            return httpx.Response(202, json={"status": "pending"})
        if self._codes.pop(code, None) is None:
            return httpx.Response(410, json={"status": "expired"})
        if decided == "deny":
            return httpx.Response(403, json={"status": "denied"})
        granted = {"status": "approved", "token": self._secret("token"), "userId": "u_1"}
        return httpx.Response(200, json={**granted, "userEmail": "ann@example.org"})

    def _secret(self, kind: str) -> str:
        secret = f"canary-{kind}-{next(self._numbers)}-of-the-vendor"
        self._secrets.add(secret)
        return secret


class TestKilo(ProviderConformance):
    """The whole kit."""

    transcripts = Path(__file__).parent / "transcripts"

    @pytest.fixture
    def provider(self) -> type[KiloProvider]:
        return KiloProvider

    @pytest.fixture
    def credential(self) -> Credential:
        return fake_credential("kilo")

    @pytest.fixture
    def vendor(self) -> type[KiloVendor]:
        return KiloVendor
