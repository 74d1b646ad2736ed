"""The demo provider behind a login: its calls carry a key, its seals are bound to an account."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pydantic import SecretStr

from gateway_core import (
    Credential,
    Event,
    GatewayError,
    ProviderInfo,
    Reasoning,
    Request,
    Route,
    Seal,
    UpstreamCall,
    hookimpl,
)
from gateway_core.content import Part
from gateway_core.events import Close, Whole
from gateway_core.seals import replayable
from gateway_core.testing.credentials import fake_credential
from gateway_core.testing.subject import Subject
from gateway_demo.plugin import DemoProvider, DemoSettings
from gateway_demo.stream import read_error
from support.mutants.base import Make, demo_transcripts
from support.mutants.changes import ChangedEvents, changed_parts

__all__ = ["KeyedDemo", "KeyedSettings", "keyed_subject"]


class KeyedSettings(DemoSettings):
    """Settings with a secret."""

    proxy_key: SecretStr = SecretStr("")


class KeyedDemo(DemoProvider):
    """The plugin. `compares`: whether it looks at the account that a seal is bound to."""

    settings: type[DemoSettings] = KeyedSettings
    compares = True

    @hookimpl
    def gateway_provider(self) -> ProviderInfo:
        return replace(super().gateway_provider(), login="key", settings=self.settings)

    @hookimpl
    async def gateway_login(self) -> Credential:
        return fake_credential("demo")

    @hookimpl
    def gateway_translate(  # type: ignore[override]
        self, request: Request, route: Route, credential: Credential, settings: KeyedSettings
    ) -> UpstreamCall:
        scope = hashlib.sha256(credential.account.encode()).hexdigest()[:12]

        def unbind(part: Part) -> Part:
            """The demo itself knows only seals without a scope."""
            if not isinstance(part, Reasoning) or part.seal is None:
                return part
            if self.compares and not replayable(part.seal, "demo", scope):
                return part
            return replace(part, seal=replace(part.seal, scope=None))

        call = super().gateway_translate(changed_parts(unbind)(request), route, settings)
        call.headers["authorization"] = f"Bearer {credential.access_token.get_secret_value()}"
        call.headers["proxy-authorization"] = settings.proxy_key.get_secret_value()
        call.state = scope
        return call

    @hookimpl
    def gateway_decoder(self, call: UpstreamCall) -> ChangedEvents:  # type: ignore[override]
        def bound(seal: Seal) -> Seal:
            return replace(seal, scope=call.state)

        def bind(events: list[Event]) -> Sequence[Event]:
            for event in events:
                if isinstance(event, Close) and event.seal:
                    event.seal = bound(event.seal)
                elif isinstance(event, Whole) and isinstance(event.part, Reasoning):
                    event.part.seal = event.part.seal and bound(event.part.seal)
            return events

        return ChangedEvents(bind)

    @hookimpl
    def gateway_error(  # type: ignore[override]
        self, status: int, headers: Mapping[str, str], body: bytes, call: UpstreamCall
    ) -> GatewayError | None:
        return read_error(body)


def keyed_subject(make: Make = KeyedDemo) -> Subject:
    """It with everything that its author gives the kit."""
    return Subject(
        make=make,
        credential=fake_credential("demo"),
        settings={"proxy_key": "canary-proxy-key"},
        transcripts=demo_transcripts(),
    )
