"""Stored responses: the endpoints below `/v1/responses/{id}`, and answers that go on from one.

Some are kept by the gateway (`gateway_core.keeping`), some by an upstream, and some by both: the
upstream is asked first then, and the gateway's copy stands in for it. `gateway_core.response_ids`
says how an id tells who keeps it.
"""

import logging
from collections.abc import Container, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway_core.errors import (
    GatewayError,
    InvalidRequest,
    NotFound,
    Unauthorized,
    Unsupported,
)
from gateway_core.json import JsonObject
from gateway_core.keeping import not_kept
from gateway_core.provider import StoredAction
from gateway_core.recording import hide
from gateway_core.request import Request
from gateway_core.response_ids import StoredId, is_own, pack_id, unpack_id

if TYPE_CHECKING:
    from gateway_core.relay import Relay
    from gateway_core.runtime import Runtime

__all__ = ["StoredResponses", "keepers", "with_upstream_previous"]

log = logging.getLogger(__name__)

_LINKS = ("id", "previous_response_id", "response_id")
_TRIED = ("retrieve", "delete")


def keepers(relays: Mapping[str, "Relay"]) -> list[str]:
    """The providers whose upstreams keep responses."""
    return [id for id, relay in relays.items() if relay.keeps_responses]


def with_upstream_previous(request: Request, provider: str, keepers: Container[str]) -> Request:
    """The request with the upstream's own id of the response that it goes on from.

    provider: who is asked. keepers: the providers that keep responses. An id that names none of
    them and that no gateway made up is taken for the upstream's own. The request itself when it
    goes on from none. Raises `InvalidRequest`, with the code that OpenAI's clients know, when the
    provider does not keep that response.
    """
    previous = request.session.previous_response_id
    if previous is None:
        return request
    found = unpack_id(previous, keepers)
    if found is None and provider in keepers and not is_own(previous):
        found = StoredId(provider, previous)
    if found is None or found.provider != provider:
        kept = "neither here nor " if found is None else f"by {found.provider!r}, not "
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
        found = unpack_id(id, keepers(self._runtime.plugins.providers))
        if found is not None:
            return await self._of_provider(action, id, found, query)
        try:
            return await self._runtime.background.act(action, id, query)
        except NotFound:
            if is_own(id) or action not in _TRIED:
                raise
            return await self._of_anybody(action, id)

    async def _of_provider(
        self, action: StoredAction, id: str, found: StoredId, query: Mapping[str, str]
    ) -> JsonObject:
        """Upstream first, then the copy that may be here; the other way round for what was asked,
        which is known here in any case.
        """
        here = self._runtime.background
        if action == "input_items":
            with suppress(NotFound):
                return await here.act(action, id, query)
        try:
            answer = await self._ask(action, found)
        except GatewayError as error:
            # What could not be deleted upstream must not look as if it were.
            if action == "retrieve" or (action == "delete" and isinstance(error, NotFound)):
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
        for provider in self._runtime.router.order():
            if relays[provider].keeps_responses and self._runtime.is_ready(provider):
                try:
                    return await self._ask(action, StoredId(provider, id))
                except GatewayError as error:
                    if error.retryable:
                        raise
                    log.info("provider %s has no response %r: %s", provider, id, error.message)
        raise not_kept(id)

    async def _ask(self, action: StoredAction, found: StoredId) -> JsonObject:
        """What the provider answers, in its own ids."""
        credentials = self._runtime.credentials
        credential = await credentials.fresh(found.provider)
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
