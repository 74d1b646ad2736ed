"""Stored responses: the endpoints below `/v1/responses/{id}`, and answers that go on from one.

A response that an upstream keeps is given to the client under an id that names its provider,
`resp_<provider>_<id of the upstream>`, so that a later request finds the way back without the
gateway remembering anything. Any other id is one of the gateway's own (`gateway_core.keeping`).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from gateway_core.errors import InvalidRequest, NotFound, Unauthorized, Unsupported
from gateway_core.json import JsonObject
from gateway_core.provider import StoredAction
from gateway_core.recording import hide
from gateway_core.request import Request

if TYPE_CHECKING:
    from gateway_core.runtime import Runtime

__all__ = ["StoredId", "StoredResponses", "pack_id", "unpack_id", "with_upstream_previous"]

_PREFIX = "resp_"
_LINKS = ("id", "previous_response_id", "response_id")


class StoredId(NamedTuple):
    """Who keeps a response, and under which id."""

    provider: str
    upstream: str


def pack_id(provider: str, upstream: str) -> str:
    """The id that a client is given. A provider id has no underscore in it."""
    return f"{_PREFIX}{provider}_{upstream}"


def unpack_id(id: str) -> StoredId | None:
    """The way back; None for an id that names no provider, or whose rest is nothing but dots, which
    would be a step in an upstream's path.
    """
    if not id.startswith(_PREFIX):
        return None
    provider, _, upstream = id.removeprefix(_PREFIX).partition("_")
    return StoredId(provider, upstream) if provider and upstream.strip(".") else None


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
        if found is None:
            return await self._runtime.background.act(action, id, query)
        relay = self._runtime.plugins.providers.get(found.provider)
        if relay is None or not relay.keeps_responses:
            raise NotFound(
                f"no stored response {id!r}: only responses that were made with `store: true` by a "
                "provider that keeps them can be found again",
                param="id",
            )
        credentials = self._runtime.credentials
        credential = await credentials.fresh(found.provider)
        hide(credential)
        transport = self._runtime.transports.get(found.provider, credential.account)
        try:
            answer = await relay.stored_response(action, found.upstream, credential, transport.http)
        except Unauthorized:
            credential = await credentials.refreshed(credential)
            hide(credential)
            answer = await relay.stored_response(action, found.upstream, credential, transport.http)
        except Unsupported as error:
            raise Unsupported(f"{error.message} (response {id!r})", param="id") from error
        return _with_our_ids(answer, found)


def _with_our_ids(answer: JsonObject, found: StoredId) -> JsonObject:
    """The answer with ids of responses, at its top, that lead back to the provider."""
    ours = dict(answer)
    for key in _LINKS:
        value = answer.get(key)
        if isinstance(value, str) and (key != "id" or value == found.upstream):
            ours[key] = pack_id(found.provider, value)
    return ours
