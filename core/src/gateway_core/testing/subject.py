"""The provider under test with all that its author gave: what every check is handed.

It loads the plugin as the server does, in a plugin host of its own with nothing else in it, and
asks and decodes the way an exchange does, without a socket, a clock or a credential store.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from gateway_core.content import Message, Text
from gateway_core.credentials.store import Credential
from gateway_core.degrade import degrade
from gateway_core.events import Event
from gateway_core.json import loads
from gateway_core.plugins import PluginSet
from gateway_core.provider import Capabilities, Model, ProviderInfo, Route, UpstreamCall
from gateway_core.relay import Relay
from gateway_core.request import Request
from gateway_core.settings import load_settings
from gateway_core.testing.case import NotApplicable, Violation
from gateway_core.testing.offline import offline_models
from gateway_core.testing.transcripts import Transcript
from gateway_core.testing.vendor import Vendor

__all__ = ["Subject", "conversation_in", "load_relay", "readable_text"]

_LISTS = ("messages", "input", "contents", "history")
_NOWHERE = os.path.join(os.devnull, "gateway")
"""A home that cannot be made: the kit neither reads nor writes settings, state or credentials."""


def load_relay(plugin: object, settings: Mapping[str, object]) -> Relay:
    """Load one provider plugin as the server would, with nothing else installed.

    settings: the provider's own table. Raises `Violation` with the host's reason when it would be
    left out.
    """
    introduce: Callable[[], Any] = getattr(plugin, "gateway_provider", lambda: None)
    id = getattr(introduce(), "id", "provider")
    flags: dict[str, object] = {f"providers.{id}.{name}": v for name, v in settings.items()}
    home = {"GATEWAY_HOME": _NOWHERE}
    loaded = PluginSet(load_settings(flags, home), [plugin], remembers=False, installed=False)
    if loaded.broken:
        raise Violation(f"the plugin host leaves it out: {loaded.broken[0].reason}")
    if not loaded.providers:
        raise Violation("it is no provider: it does not implement gateway_provider")
    return next(iter(loaded.providers.values()))


def readable_text(call: UpstreamCall) -> str:
    """All that a body says: every string and number of a JSON body in order, else its bytes."""
    try:
        value = loads(call.body)
    except ValueError:
        return call.body.decode("utf-8", "replace")
    return "\n".join(_leaves(value))


def _leaves(value: object) -> list[str]:
    if isinstance(value, Mapping):
        return [leaf for key, item in value.items() for leaf in (str(key), *_leaves(item))]
    if isinstance(value, list):
        return [leaf for item in value for leaf in _leaves(item)]
    return [str(value)]


def conversation_in(call: UpstreamCall) -> Sequence[object]:
    """The turns in a JSON body, under the name that most protocols use for them.

    Raises `NotApplicable` when there is none.
    """
    try:
        body = loads(call.body)
    except ValueError:
        body = None
    if isinstance(body, dict):
        for name in _LISTS:
            if isinstance(turns := body.get(name), list):
                return turns
    raise NotApplicable(
        f"the body has no list called {', '.join(_LISTS)}: override `conversation` of the "
        "conformance class to say where the turns are"
    )


@dataclass(kw_only=True)
class Subject:
    """A provider under test.

    make: a fresh plugin object. settings: the provider's table. vendor: makes a fresh vendor.
    unknown_event: bytes of a well-formed upstream event of a kind that does not exist.
    end_marker: whether the upstream says when an answer is complete.
    readable: all text that a call's body says, in the order of the conversation.
    conversation: the turns that a call's body carries, oldest first.
    listed: the models, when the plugin cannot list any offline.
    """

    make: Callable[[], object]
    credential: Credential | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    transcripts: Sequence[Transcript] = ()
    vendor: Callable[[], Vendor] | None = None
    unknown_event: bytes | None = None
    end_marker: bool = True
    readable: Callable[[UpstreamCall], str] = readable_text
    conversation: Callable[[UpstreamCall], Sequence[object]] = conversation_in
    listed: Sequence[Model] | None = None

    def fresh_relay(self) -> Relay:
        """The hooks of a fresh plugin object."""
        return load_relay(self.make(), self.settings)

    @cached_property
    def relay(self) -> Relay:
        """The hooks of one plugin object, the same for the whole case."""
        return self.fresh_relay()

    @property
    def info(self) -> ProviderInfo:
        """Who the provider is."""
        return self.relay.info

    @cached_property
    def models(self) -> Sequence[Model]:
        """The models it lists without a network. Raises `NotApplicable` when there are none."""
        models = self.listed if self.listed is not None else offline_models(self.relay)
        if not models:
            raise NotApplicable("no model is listed offline: override `models` to give some")
        return models

    def route(self, model: str | None = None) -> Route:
        """The route to a model, by default the first one listed."""
        listed = next((m for m in self.models if model in (m.id, *m.aliases)), None)
        if listed is None and model is None:
            listed = self.models[0]
        name = listed.id if listed else str(model)
        return Route(self.info.id, name, model or name, model_info=listed)

    def capabilities(self, route: Route) -> Capabilities:
        """What the model of a route can take."""
        model = route.model_info
        return (model and model.capabilities) or self.info.capabilities

    def translate(
        self,
        request: Request,
        model: str | None = None,
        *,
        relay: Relay | None = None,
        credential: Credential | None = None,
    ) -> UpstreamCall:
        """The upstream call for a request, after the core's policy as in an exchange.

        Raises `GatewayError` when the policy or the plugin refuses.
        """
        route = self.route(model)
        request = replace(request, model=route.model)
        title = f"{route.provider}/{route.model}"
        asked, _ = degrade(request, self.capabilities(route), title)
        return (relay or self.relay).translate(asked, route, credential or self.credential)

    def request_for(self, transcript: Transcript) -> Request:
        """The conversation that a transcript answers, or a plain text."""
        from gateway_core.testing.conversations import CONVERSATIONS

        if transcript.request is not None:
            return CONVERSATIONS[transcript.request]
        return Request("", [Message("user", [Text("Hello")])])

    def call_for(self, transcript: Transcript) -> UpstreamCall:
        """The call that a transcript answers."""
        return self.translate(self.request_for(transcript), transcript.model)

    def decode(self, transcript: Transcript, pieces: Sequence[bytes]) -> list[Event]:
        """The events of these bytes, fed piece by piece to a fresh decoder, then ended."""
        call = self.call_for(transcript)
        decoder = self.relay.decoder(call, self.route(transcript.model), transcript.headers)
        events: list[Event] = []
        for piece in pieces:
            events += decoder.feed(piece)
        events += decoder.end()
        return events
