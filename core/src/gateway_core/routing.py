"""Which provider owns a model name: pure resolution over the catalogue, with its reasons.

Order, first match wins: explicit `provider/model` or `provider:model`; an alias from the settings;
the name, less a trailing client hint such as `[1m]`, as an id or alias in the model lists; a
provider's own claim; the fallback for the Claude names that clients insist on; else
`ModelNotFound`.
"""

import difflib
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from gateway_core.catalogue import Catalogue
from gateway_core.errors import GatewayError, ModelNotFound
from gateway_core.provider import Claim, Model, Route
from gateway_core.relay import Relay
from gateway_core.settings import RoutingSettings

__all__ = ["Router"]

log = logging.getLogger(__name__)

_CLIENT_HINT = re.compile(r"\[[0-9a-z]+\]$")
_INSISTED = re.compile(r"(claude|anthropic|opus|sonnet|haiku)([-./@].*|$)")


class Router:
    """Resolves names against the providers that may serve.

    `ready` tells whether a provider has what it needs (a credential, or no need for one); providers
    that are not ready own a model only when no ready one does, so that the error can say what to
    do.
    """

    def __init__(
        self,
        settings: RoutingSettings,
        relays: Mapping[str, Relay],
        catalogue: Catalogue,
        ready: Callable[[str], bool],
    ) -> None:
        self._settings = settings
        self._relays = relays
        self._catalogue = catalogue
        self._ready = ready

    def resolve(self, name: str) -> Route:
        """The route of a model name. Raises `ModelNotFound` that lists the closest ids."""
        return self._resolve(name, [])

    def explain(self, name: str) -> list[str]:
        """The steps that `resolve` takes for a name, one line each, for people."""
        steps: list[str] = []
        try:
            route = self._resolve(name, steps)
            steps.append(f"=> {route.provider}/{route.model}")
        except ModelNotFound as error:
            steps.append(f"=> {error.message}")
        return steps

    def models(self, provider: str | None = None) -> list[tuple[str, Model]]:
        """(provider, model) pairs of the providers that are ready, or of the one named."""
        ids = [provider] if provider else [id for id in self.order() if self._ready(id)]
        return [(id, model) for id in ids for model in self._catalogue.models(id)]

    def find(self, name: str) -> tuple[str, Model] | None:
        """The listed model that a name resolves to, or None."""
        try:
            route = self.resolve(name)
        except ModelNotFound:
            return None
        return (route.provider, route.model_info) if route.model_info else None

    def order(self) -> list[str]:
        """Provider ids in order of precedence: as set, then by name, those without a login last."""
        priority = {id: place for place, id in enumerate(self._settings.priority)}
        return sorted(
            self._relays,
            key=lambda id: (
                priority.get(id, len(priority)),
                not self._relays[id].info.needs_login,
                id,
            ),
        )

    def conflicts(self) -> list[str]:
        """A line for each id that two ready providers list, saying who serves it."""
        owners: dict[str, list[str]] = {}
        for provider, model in self.models():
            owners.setdefault(model.id, []).append(provider)
        return [
            f"{id} is listed by {', '.join(providers)}; {providers[0]} serves it "
            f"([routing] priority decides, {providers[1]}/{id} asks the other)"
            for id, providers in owners.items()
            if len(providers) > 1
        ]

    def unserved_fallback(self) -> str | None:
        """Why the fallback that was set leads nowhere, as far as is known now; else None."""
        if self._settings.fallback:
            try:
                self._resolve(self._settings.fallback, [], indirect=True)
            except GatewayError as error:
                return error.message
        return None

    def _resolve(self, name: str, steps: list[str], *, indirect: bool = False) -> Route:
        if route := self._by_prefix(name, steps):
            return route
        if not indirect and (target := self._settings.aliases.get(name)):
            steps.append(f"alias in the settings: {name} means {target}")
            route = self._resolve(target, steps, indirect=True)
            return _asked_as(route, name)
        plain = _CLIENT_HINT.sub("", name)
        if plain != name:
            steps.append(f"client hint taken off: {name} is asked as {plain}")
            if not indirect and (target := self._settings.aliases.get(plain)):
                steps.append(f"alias in the settings: {plain} means {target}")
                return _asked_as(self._resolve(target, steps, indirect=True), name)
        for ready in (True, False):
            for id in self.order():
                if self._ready(id) is ready and (model := self._listed(id, plain)):
                    steps.append(f"listed by {id}" + ("" if ready else ", which is not logged in"))
                    return Route(id, model.id, name, {}, model, "listed")
            if ready and (route := self._by_claim(name, plain, steps)):
                return route
        if not indirect and _INSISTED.match(plain) and (route := self._by_fallback(name, steps)):
            return route
        raise ModelNotFound(self._not_found(plain), param="model")

    def _by_prefix(self, name: str, steps: list[str]) -> Route | None:
        match = re.match(r"([a-z][a-z0-9-]*)[/:](.+)$", name)
        if match is None or match[1] not in self._relays:
            return None
        provider, model_name = match[1], _CLIENT_HINT.sub("", match[2])
        steps.append(f"explicit prefix: provider {provider}")
        if model := self._listed(provider, model_name):
            return Route(provider, model.id, name, {}, model, "prefix")
        if claim := self._relays[provider].claim(model_name):
            steps.append(f"{provider} claims {model_name} as {claim.model} {dict(claim.options)}")
            model = self._listed(provider, claim.model)
            return Route(provider, claim.model, name, claim.options, model, "prefix")
        if self._catalogue.models(provider):
            steps.append(f"{provider} does not list {model_name}: passed on as it is")
        return Route(provider, model_name, name, {}, None, "prefix")

    def _by_claim(self, name: str, plain: str, steps: list[str]) -> Route | None:
        for id in self.order():
            if self._ready(id) and (claim := self._claim(id, plain, steps)):
                steps.append(f"claimed by {id} as {claim.model} {dict(claim.options)}")
                model = self._listed(id, claim.model)
                return Route(id, claim.model, name, claim.options, model, "claimed")
        steps.append(f"no ready provider lists or claims {plain}")
        return None

    def _claim(self, provider: str, name: str, steps: list[str]) -> Claim | None:
        """A provider's claim; one that fails owns nothing, and the next provider is asked."""
        try:
            return self._relays[provider].claim(name)
        except GatewayError as error:
            log.warning("provider %s could not say what it owns: %s", provider, error.message)
            steps.append(f"{provider} failed over {name}: {error.message}")
            return None

    def _by_fallback(self, name: str, steps: list[str]) -> Route | None:
        if target := self._settings.fallback:
            steps.append(f"fallback for Claude names: {target}")
            return _asked_as(self._resolve(target, steps, indirect=True), name)
        asked_for_only = {id for id, relay in self._relays.items() if relay.info.login_optional}
        first = next((found for found in self.models() if found[0] not in asked_for_only), None)
        if first is None:
            return None
        provider, model = first
        steps.append(f"no fallback is set: the first model, {provider}/{model.id}")
        return Route(provider, model.id, name, {}, model, "fallback")

    def _listed(self, provider: str, name: str) -> Model | None:
        models = self._catalogue.models(provider)
        for model in models:
            if model.id == name:
                return model
        return next((model for model in models if name in model.aliases), None)

    def _not_found(self, name: str) -> str:
        ids = [model.id for _, model in self.models()]
        if not ids:
            return (
                f"no model is served yet, so {name!r} was not found; "
                f"log in with `gateway login`, then see `gateway models`"
            )
        close = difflib.get_close_matches(name, ids, n=5, cutoff=0.3) or ids[:5]
        return f"no provider serves the model {name!r}; closest: {', '.join(close)}"


def _asked_as(route: Route, name: str) -> Route:
    return replace(route, requested=name)
