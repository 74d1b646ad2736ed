"""A provider with a login whose upstream keeps responses."""

from dataclasses import dataclass, field

from pydantic import SecretStr

from gateway_core import (
    CONTRACT,
    Credential,
    Event,
    GatewayError,
    JsonObject,
    ProviderInfo,
    Text,
    Unauthorized,
    Unsupported,
    hookimpl,
)
from gateway_core.errors import NotFound
from gateway_core.events import Begin, Close, Delta, End, Open
from gateway_core.provider import StoredAction
from support.scripted_provider import ScriptedProvider

__all__ = ["KEPT", "KEPT_ID", "LOGIN", "Keeper"]

KEPT: list[Event] = [
    Begin("up-1", "scripted-1", stored=True),
    Open(0, Text("")),
    Delta(0, "Hi"),
    Close(0),
    End("stop"),
]
"""An answer that the upstream keeps."""
KEPT_ID = "resp_scripted_up-1"
"""Its id, as a client is told it."""
LOGIN = Credential(
    provider="scripted",
    account="ann",
    access_token=SecretStr("token-1"),
    refresh_token=SecretStr("refresh-1"),
)


@dataclass(slots=True, eq=False)
class Keeper(ScriptedProvider):
    """kept: by the upstream's id. acted: action, id and token of each request about one.
    refuse: how many of these are refused as unauthorized. failure: what it answers all of them.
    owner: the token of the account whose responses they are; None for any. to_others: what it
    answers other accounts.
    """

    kept: dict[str, JsonObject] = field(default_factory=dict)
    acted: list[tuple[str, str, str]] = field(default_factory=list)
    refuse: int = 0
    failure: GatewayError | None = None
    owner: str | None = None
    to_others: GatewayError = field(default_factory=lambda: NotFound("no such response"))

    @hookimpl
    def gateway_provider(self) -> ProviderInfo:
        return ProviderInfo("scripted", "Scripted", CONTRACT, "browser")

    @hookimpl
    async def gateway_login(self) -> Credential:
        raise AssertionError("no test logs in here")

    @hookimpl
    async def gateway_refresh(self, credential: Credential) -> Credential:
        return credential.model_copy(update={"access_token": SecretStr("token-2")})

    @hookimpl
    async def gateway_stored_response(
        self, action: StoredAction, response_id: str, credential: Credential
    ) -> JsonObject:
        token = credential.access_token.get_secret_value()
        self.acted.append((action, response_id, token))
        if len(self.acted) <= self.refuse:
            raise Unauthorized("who are you")
        if self.failure is not None:
            raise self.failure
        if action in ("cancel", "input_items"):
            raise Unsupported("nothing can be cancelled or listed")
        if self.owner not in (None, token):
            raise self.to_others
        if response_id not in self.kept:
            raise NotFound("no such response")
        if action == "delete":
            del self.kept[response_id]
            return {"id": response_id, "object": "response", "deleted": True}
        return self.kept[response_id]
