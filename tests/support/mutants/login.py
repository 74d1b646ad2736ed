"""Faults of the introduction, of model lists, and of logins and refreshes.

Demo has no login, so the last two are planted into Harp, a small provider that has every kind.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

import httpx

from gateway_core import (
    Claim,
    Credential,
    GatewayError,
    LoginPrompt,
    LoginRequired,
    Model,
    ProviderInfo,
    UpstreamFailed,
    hookimpl,
)
from gateway_core.credentials.oauth import TokenResponse
from gateway_demo.plugin import DemoProvider
from support.harp import Harp, harp_subject
from support.mutants.base import Make, Mutant

__all__ = ["MUTANTS"]


class UnknownWord(DemoProvider):
    """Misspells an effort."""

    @hookimpl
    def gateway_provider(self) -> ProviderInfo:
        info = super().gateway_provider()
        return replace(info, capabilities=replace(info.capabilities, efforts=("medum",)))


class SharedAlias(DemoProvider):
    """Gives two models one name."""

    @hookimpl
    async def gateway_models(self) -> Sequence[Model]:
        return [replace(model, aliases=("demo-1",)) for model in await super().gateway_models()]


class ClaimsAll(DemoProvider):
    """Takes every name for its own."""

    @hookimpl
    def gateway_claim(self, name: str) -> Claim | None:
        return Claim("demo")


class RaisingClaim(DemoProvider):
    """Trips over names of another shape."""

    @hookimpl
    def gateway_claim(self, name: str) -> Claim | None:
        return Claim("demo") if name.split("-")[1] == "demo" else None


class SameState(Harp):
    """Uses one state for all logins."""

    def state(self) -> str:
        return "5" * 32


class ShowsTheToken(Harp):
    """Greets with the token."""

    @hookimpl
    async def gateway_login(
        self, prompt: LoginPrompt, http: httpx.AsyncClient, method: str
    ) -> Credential:
        credential = await super().gateway_login(prompt, http, method)
        prompt.show(f"your token is {credential.access_token.get_secret_value()}")
        return credential


class Impatient(Harp):
    """Waits for the vendor with everybody else."""

    @hookimpl
    async def gateway_refresh(self, credential: Credential, http: httpx.AsyncClient) -> Credential:
        time.sleep(1)  # noqa: ASYNC251  # the fault
        return await super().gateway_refresh(credential, http)


class Sleepy(DemoProvider):
    """Is polite to the vendor, and stops the server."""

    @hookimpl
    async def gateway_models(self) -> Sequence[Model]:
        time.sleep(0.5)  # noqa: ASYNC251  # the fault
        return await super().gateway_models()


class NoZone(Harp):
    """Loses the time zone of the end."""

    def credential(self, tokens: TokenResponse) -> Credential:
        made = super().credential(tokens)
        end = made.expires_at and made.expires_at.replace(tzinfo=None)
        return made.model_copy(update={"expires_at": end})


class OldRefreshToken(Harp):
    """Does not take over a rotated refresh token."""

    @hookimpl
    async def gateway_refresh(self, credential: Credential, http: httpx.AsyncClient) -> Credential:
        fresh = await super().gateway_refresh(credential, http)
        return fresh.model_copy(update={"refresh_token": credential.refresh_token})


class LosesTheRegion(Harp):
    """Forgets what the login found out."""

    @hookimpl
    async def gateway_refresh(self, credential: Credential, http: httpx.AsyncClient) -> Credential:
        return (await super().gateway_refresh(credential, http)).model_copy(update={"extra": {}})


class NeverRejected(Harp):
    """Tries a dead token again for ever."""

    @hookimpl
    async def gateway_refresh(self, credential: Credential, http: httpx.AsyncClient) -> Credential:
        try:
            return await super().gateway_refresh(credential, http)
        except LoginRequired as error:
            raise UpstreamFailed("try again later") from error


class EndsLogins(Harp):
    """Ends the login when the vendor is down."""

    @hookimpl
    async def gateway_refresh(self, credential: Credential, http: httpx.AsyncClient) -> Credential:
        try:
            return await super().gateway_refresh(credential, http)
        except GatewayError as error:
            raise LoginRequired("log in again") from error


def _planted(fault: str, case: str, plugin: Make, seen: str) -> Mutant:
    return Mutant(fault, case, plugin, seen, honest=Harp, subject=harp_subject)


MUTANTS = [
    Mutant("misspells an effort", "C03", UnknownWord, "efforts have medum"),
    Mutant("sleeps before it lists", "C13", Sleepy, "gateway_models: it calls time.sleep"),
    _planted("sleeps before it refreshes", "C13", Impatient, "gateway_refresh: it calls time"),
    Mutant("gives two models one alias", "M01", SharedAlias, "'demo-1' stands for 2 models"),
    Mutant("claims every name", "M08", ClaimsAll, "it claims 'zq7-conformance-unheard-of'"),
    Mutant("raises in a claim", "M07", RaisingClaim, "(IndexError)"),
    _planted("uses one state for all logins", "L08", SameState, "the same state"),
    _planted("shows the token", "L06", ShowsTheToken, "a secret is shown to the person"),
    _planted("loses the time zone", "L01", NoZone, "expires_at has no time zone"),
    _planted("keeps a spent refresh token", "R02", OldRefreshToken, "the second refresh raised"),
    _planted("loses extra in a refresh", "R01", LosesTheRegion, "extra lost region"),
    _planted("tries a dead token again", "R03", NeverRejected, "it raised UpstreamFailed"),
    _planted("ends logins when the vendor is down", "R04", EndsLogins, "it raised LoginRequired"),
]
