"""Stored responses: the endpoints below `/v1/responses/{id}`, and answers that go on from one.

Some are kept by the gateway (`gateway_core.keeping`), some by an upstream, and some by both: what
is here is told as the client was told it. `gateway_core.response_ids` says how an id tells who
keeps it.
"""

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway_core.errors import (
    Forbidden,
    GatewayError,
    InvalidRequest,
    LoginRequired,
    NotFound,
    Unauthorized,
    Unsupported,
)
from gateway_core.json import JsonObject
from gateway_core.keeping import not_kept
from gateway_core.provider import StoredAction
from gateway_core.recording import hide
from gateway_core.request import Request
from gateway_core.response_ids import StoredId, is_bare, pack_id, unpack_id

if TYPE_CHECKING:
    from gateway_core.runtime import Runtime

__all__ = ["StoredResponses", "with_packed_previous", "with_upstream_previous"]

log = logging.getLogger(__name__)

_LINKS = ("id", "previous_response_id", "response_id")
_FORWARDED = ("retrieve", "delete")
_NOT_THIS_ACCOUNTS = (NotFound, Forbidden, LoginRequired, Unauthorized)
"""Errors of one account that say nothing of what another one would be told."""


def with_packed_previous(request: Request, provider: str) -> Request:
    """The request with a bare id of the response that it goes on from as the id that the gateway
    gives the responses of the provider.
    """
    previous = request.session.previous_response_id
    if previous is None or not is_bare(previous):
        return request
    session = replace(request.session, previous_response_id=pack_id(provider, previous))
    return replace(request, session=session)


def with_upstream_previous(request: Request, provider: str, *, keeps: bool) -> Request:
    """The request with the upstream's own id of the response that it goes on from.

    keeps: whether the provider keeps responses at all. The request itself when it goes on from
    none. Raises `InvalidRequest`, with the code that OpenAI's clients know, when the provider does
    not keep that response.
    """
    previous = request.session.previous_response_id
    if previous is None:
        return request
    found = unpack_id(previous)
    if found is None or found.provider != provider or not keeps:
        other = found.provider if found is not None and found.provider != provider else None
        kept = f"by {other!r}, not " if other else "neither here nor "
        raise InvalidRequest(
            f"previous_response_id: the response {previous!r} is kept {kept}by {provider!r}; "
            "send the whole conversation in `input` instead, or ask for `store: true` from the "
            "first response on (`gateway config set state.stored_responses always` does so for "
            "clients that cannot)",
            param="previous_response_id",
            code="previous_response_not_found",
        )
    session = replace(request.session, previous_response_id=found.upstream)
    return replace(request, session=session)


class StoredResponses:
    """Finds the keeper of a response and asks it."""

    def __init__(self, runtime: "Runtime") -> None:
        self._runtime = runtime

    async def act(self, action: StoredAction, id: str, query: Mapping[str, str]) -> JsonObject:
        """What the keeper of a response answers, with ids as the client knows them. `query` is that
        of the client.

        Raises `NotFound` when nobody keeps it, `Unsupported` when its keeper cannot do that.
        """
        found = unpack_id(id)
        if found is not None:
            return await self._of_both(action, id, found, query)
        try:
            return await self._runtime.background.act(action, id, query)
        except NotFound:
            if action not in _FORWARDED or not is_bare(id):
                raise
            return await self._of_anybody(action, id)

    async def _of_both(
        self, action: StoredAction, id: str, found: StoredId, query: Mapping[str, str]
    ) -> JsonObject:
        """A response of a provider, of which there may be a copy here. The copy is what the client
        was told, and comes first: an upstream may tell tools and reasoning in other words.
        """
        here = self._runtime.background
        if action in ("retrieve", "input_items"):
            with suppress(NotFound):
                return await here.act(action, id, query)
        relay = self._runtime.plugins.providers.get(found.provider)
        if relay is None or not relay.keeps_responses:
            await here.act("retrieve", id, query)
            raise Unsupported(
                f"the response {id!r} may also be kept by {found.provider!r}, which is not "
                "installed: install its plugin, so that it is not only the copy here that is "
                f"{'deleted' if action == 'delete' else 'asked'}",
                param="id",
            )
        try:
            answer = await self._ask(action, found)
        except NotFound:
            # What could not be deleted upstream must not look as if it were; this is not there.
            if action == "delete":
                with suppress(NotFound):
                    return await here.act(action, id, query)
            raise
        if action == "delete":
            with suppress(NotFound):
                await here.act(action, id, query)
        return _with_our_ids(answer, found)

    async def _of_anybody(self, action: StoredAction, id: str) -> JsonObject:
        """A response with an upstream's bare id, of the first provider that has it."""
        relays = self._runtime.plugins.providers
        failed: GatewayError | None = None
        for provider in self._runtime.router.order():
            if relays[provider].keeps_responses and self._runtime.is_ready(provider):
                found = StoredId(provider, id)
                try:
                    return {**await self._of_both(action, pack_id(*found), found, {}), "id": id}
                except NotFound:
                    continue
                except GatewayError as error:
                    log.info("provider %s was asked for %r in vain: %s", provider, id, error)
                    if error.retryable or isinstance(error, LoginRequired | Unauthorized):
                        failed = failed or error
        raise failed or not_kept(id)

    async def _ask(self, action: StoredAction, found: StoredId) -> JsonObject:
        """What the provider answers, in its own ids: for the active account, or for another one,
        as the id does not tell which account made the response.
        """
        credentials = self._runtime.credentials
        try:
            return await self._ask_as(None, action, found)
        except _NOT_THIS_ACCOUNTS:
            active = await credentials.active(found.provider)
            for account in await credentials.accounts(found.provider):
                if account != active:
                    with suppress(*_NOT_THIS_ACCOUNTS):
                        return await self._ask_as(account, action, found)
            raise

    async def _ask_as(
        self, account: str | None, action: StoredAction, found: StoredId
    ) -> JsonObject:
        credentials = self._runtime.credentials
        credential = await credentials.fresh(found.provider, account)
        hide(credential)
        relay = self._runtime.plugins.providers[found.provider]
        transport = self._runtime.transports.get(found.provider, credential.account)
        try:
            return await relay.stored_response(action, found.upstream, credential, transport.http)
        except Unauthorized:
            credential = await credentials.refreshed(credential)
            hide(credential)
            return await relay.stored_response(action, found.upstream, credential, transport.http)
        except Unsupported as error:
            id = pack_id(*found)
            raise Unsupported(f"{error.message} (response {id!r})", param="id") from error


def _with_our_ids(answer: JsonObject, found: StoredId) -> JsonObject:
    """The answer with ids of responses, at its top, that lead back to the provider."""
    ours = dict(answer)
    for key in _LINKS:
        value = answer.get(key)
        if isinstance(value, str) and (key != "id" or value == found.upstream):
            ours[key] = pack_id(found.provider, value)
    return ours
