"""Questions to Kilo besides turns: the models, who an account is, and what is left in it."""

from typing import TYPE_CHECKING

from gateway_core import Account, Credential, JsonObject, Model, UpstreamFailed
from gateway_core.lookups import get_object, list_at, number_at, text_at
from gateway_kilo.errors import read_error
from gateway_kilo.models import STATIC_MODELS, read_models
from gateway_kilo.request import headers_for
from gateway_kilo.settings import KiloSettings

if TYPE_CHECKING:
    import httpx

__all__ = ["account", "list_models"]


async def account(
    credential: Credential, http: "httpx.AsyncClient", settings: KiloSettings
) -> Account:
    """Name, e-mail, and the credits in dollars, of the organization when one pays.

    Raises `GatewayError`.
    """
    profile = await _fetch(http, credential, settings, f"{settings.api_url}/profile")
    balance = await _fetch(http, credential, settings, f"{settings.api_url}/profile/balance")
    ours = str(settings.organization)
    named = (
        text_at(o, "name") for o in list_at(profile, "organizations") if text_at(o, "id") == ours
    )
    organization = next(named, None)
    return Account(
        id=credential.account,
        name=organization or text_at(profile, "user", "name"),
        email=text_at(profile, "user", "email"),
        structure="organization" if settings.organization else "personal",
        credits_balance=number_at(balance, "balance"),
    )


async def list_models(
    credential: Credential | None, http: "httpx.AsyncClient", settings: KiloSettings
) -> list[Model]:
    """All models with a login, the free ones without; the list is public. Without login and
    network it is the one name that always leads to a free model.

    Raises `GatewayError` for every other failure, so that the list known so far stays.
    """
    try:
        answer = await _fetch(http, credential, settings, f"{settings.base_url}/models")
    except UpstreamFailed as error:
        if credential is not None or error.upstream is not None:  # somebody did answer
            raise
        return list(STATIC_MODELS)
    return read_models(answer, free_only=credential is None) or list(STATIC_MODELS)


async def _fetch(
    http: "httpx.AsyncClient", credential: Credential | None, settings: KiloSettings, url: str
) -> JsonObject:
    return await get_object(
        http,
        url,
        title="Kilo",
        headers=headers_for(credential, settings),
        read_error=read_error,
    )
