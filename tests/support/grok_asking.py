"""Requests as the Grok plugin translates them, and streams as it decodes them."""

from collections.abc import Iterable, Mapping

from pydantic import SecretStr

from gateway_core import Credential, Event, JsonObject, Message, Request, Route, Text, UpstreamCall
from gateway_core.degrade import degrade
from gateway_core.grammar import check_stream
from gateway_core.json import loads_object
from gateway_grok.models import STATIC_MODELS
from gateway_grok.plugin import GrokProvider
from gateway_grok.settings import GrokSettings

__all__ = [
    "ACCOUNT",
    "CREDENTIAL",
    "LISTED",
    "asked",
    "body_of",
    "decoded",
    "degraded",
    "hello",
    "route_to",
    "translated",
]

ACCOUNT = "u-5c1"
CREDENTIAL = Credential(
    provider="grok", account=ACCOUNT, access_token=SecretStr("access-token-of-ann")
)
LISTED = {model.id: model for model in STATIC_MODELS}


def hello(**fields: object) -> Request:
    """A request that says hello, with these fields."""
    request = Request("grok-4.5", [Message("user", [Text("Hello")])])
    for name, value in fields.items():
        setattr(request, name, value)
    return request


def route_to(model: str, options: Mapping[str, str] | None = None) -> Route:
    """The way to a model, as the core resolves its name without a live list."""
    return Route("grok", model, model, options or {}, LISTED.get(model))


def translated(
    request: Request,
    model: str = "grok-4.5",
    settings: GrokSettings | None = None,
    options: Mapping[str, str] | None = None,
) -> UpstreamCall:
    """The call for a request."""
    route = route_to(model, options)
    return GrokProvider().gateway_translate(request, route, CREDENTIAL, settings or GrokSettings())


def degraded(request: Request, model: str = "grok-4.5") -> Request:
    """The request as the core hands it on: within the model's capabilities."""
    capabilities = LISTED[model].capabilities
    assert capabilities is not None
    return degrade(request, capabilities, f"grok/{model}")[0]


def body_of(call: UpstreamCall) -> JsonObject:
    return loads_object(call.body)


def asked(
    request: Request,
    model: str = "grok-4.5",
    settings: GrokSettings | None = None,
    options: Mapping[str, str] | None = None,
) -> JsonObject:
    """The body for a request."""
    return body_of(translated(request, model, settings, options))


def decoded(
    reads: Iterable[bytes], call: UpstreamCall, headers: Mapping[str, str] | None = None
) -> list[Event]:
    """The events of an answer that comes in these reads; checked against the grammar."""
    decoder = GrokProvider().gateway_decoder(call, headers or {})
    events = [event for data in reads for event in decoder.feed(data)]
    events += decoder.end()
    check_stream(events)
    return events
