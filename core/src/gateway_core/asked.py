"""The request of a turn in the form in which its provider is asked it.

That form depends on who the provider is, on what the gateway knows of the conversation before, and
on what the upstream has refused: some refusals say what would do instead.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gateway_core.compaction import as_summary_request, asks_for_compaction
from gateway_core.custom_tools import bridged_custom_tools
from gateway_core.degrade import degrade
from gateway_core.errors import GatewayError, Unsupported
from gateway_core.events import Notice
from gateway_core.provider import Capabilities, Route
from gateway_core.request import Request
from gateway_core.seals import without_seals
from gateway_core.stored import with_packed_previous, with_upstream_previous

if TYPE_CHECKING:
    from gateway_core.credentials.store import Credential
    from gateway_core.relay import Relay
    from gateway_core.runtime import Runtime

__all__ = ["Asked"]

log = logging.getLogger(__name__)

_UNREADABLE_SEAL: Final = "invalid_encrypted_content"
_NOT_GONE_ON_FROM: Final = "previous_response_not_found"
_NO_COMPACTION: Final = "compaction_unavailable"


class Asked:
    """A request on its way to one provider.

    route, relay: whom it goes to. request: what is asked; to be read after `prepare`, and again
    after each `mended`. recalled: the request with the conversation in it that it goes on from, as
    far as that is not left to the provider. previous: the id by which that conversation is known
    here. bridged: names of freeform tools that the provider knows as functions.
    summarises: whether the answer is a summary, to become a compaction. tell: takes notices.

    Raises `ModelNotFound`.
    """

    def __init__(
        self, runtime: "Runtime", request: Request, tell: Callable[[Sequence[Notice]], None]
    ) -> None:
        self.route: Route = runtime.router.resolve(request.model)
        self.relay: Relay = runtime.plugins.providers[self.route.provider]
        self.request = self.recalled = request
        self.previous = request.session.previous_response_id
        self.bridged: frozenset[str] = frozenset()
        self.summarises = False
        self._runtime = runtime
        self._tell = tell
        self._unsealed = False

    async def prepare(self, *, whole: bool = False) -> None:
        """Find the conversation that the request goes on from, and hold it against what the
        provider can take.

        A response that the provider stores itself is left to it to go on from, unless the
        conversation is wanted `whole` and the gateway has all of it. Raises `Unsupported`,
        `InvalidRequest`, and as `KeptResponses.replayed` does.
        """
        if self.previous is not None:
            keeps, provider = self.relay.keeps_responses, self.route.provider
            asked = with_packed_previous(self.recalled, provider) if keeps else self.recalled
            self.previous = asked.session.previous_response_id
            left_to = provider if keeps else None
            self.recalled = await self._runtime.responses.replayed(asked, left_to)
        if not (whole and await self._replay()):
            self._fit()

    async def mended(self, error: GatewayError) -> bool:
        """Whether the request is now another one, in which the cause of the error is avoided."""
        if error.code == _UNREADABLE_SEAL:
            return self._drop_seals()
        if error.code == _NOT_GONE_ON_FROM:
            return await self._replay()
        return error.code == _NO_COMPACTION and self._summarise()

    def count_tokens(self, credential: "Credential | None") -> int:
        """Input tokens of the request as it would be sent; slow, so called in a worker thread.
        Raises as a translation does.
        """
        try:
            return self.relay.count_tokens(self.request, self.route, credential)
        except Unsupported as error:
            if not (error.code == _NO_COMPACTION and self._summarise()):
                raise
            return self.relay.count_tokens(self.request, self.route, credential)

    @property
    def _capabilities(self) -> Capabilities:
        model = self.route.model_info
        own = None if model is None else model.capabilities
        return own or self.relay.info.capabilities

    def _fit(self) -> None:
        route, capabilities = self.route, self._capabilities
        asked = _with_options(self.recalled, route)
        if asked.session.previous_response_id is not None:
            keeps = self.relay.keeps_responses
            asked = with_upstream_previous(asked, route.provider, keeps=keeps)
        if asks_for_compaction(asked) and not capabilities.native_compaction:
            self.summarises = True
        if self.summarises:
            asked = as_summary_request(asked)
        if self._unsealed:
            asked = without_seals(asked)
        self.request, notices = degrade(asked, capabilities, f"{route.provider}/{route.model}")
        self.bridged = bridged_custom_tools(self.recalled, capabilities)
        self._tell(notices)

    def _drop_seals(self) -> bool:
        """Go on without sealed reasoning; False when there is none left to drop."""
        without = without_seals(self.request)
        if without is self.request:
            return False
        self.request = without
        self._unsealed = True
        said = "the upstream could not read earlier reasoning, so it was left out"
        self._tell([Notice("dropped_reasoning_state", said)])
        return True

    async def whole(self) -> Request:
        """The request with all of the conversation in it, what is left to the provider too, if the
        gateway has all of that; else as it is `recalled`.
        """
        try:
            return await self._runtime.responses.replayed(self.recalled)
        except GatewayError as error:
            log.debug("a conversation cannot be told again: %s", error.message)
            return self.recalled

    async def _replay(self) -> bool:
        """Send the conversation that the provider stores too; False when the gateway does not have
        all of it.
        """
        recalled = await self.whole()
        if recalled is self.recalled:
            return False
        self.recalled = recalled
        self._fit()
        return True

    def _summarise(self) -> bool:
        """Ask the model for a summary instead of the upstream for a compaction; False when that is
        done already, or was not asked for.
        """
        if self.summarises or not asks_for_compaction(self.request):
            return False
        self.summarises = True
        self._fit()
        return True


def _with_options(request: Request, route: Route) -> Request:
    """The request with what the model name's suffixes ask for.

    An effort in the name wins over the request's; a tier that the request names wins over the name.
    """
    effort, tier = route.options.get("effort"), route.options.get("tier")
    if effort is not None:
        reasoning = replace(request.reasoning, effort=effort, enabled=None, budget_tokens=None)
        request = replace(request, reasoning=reasoning)
    if tier is not None and request.session.service_tier is None:
        request = replace(request, session=replace(request.session, service_tier=tier))
    return request
