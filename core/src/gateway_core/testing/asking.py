"""How the cases ask a provider: conversations as an exchange hands them on, and what came out.

Refusals that only say that the kit was given too little (a login, a model) become `NotApplicable`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from gateway_core.credentials.store import Credential
from gateway_core.degrade import degrade
from gateway_core.errors import GatewayError, LoginRequired, Unauthorized
from gateway_core.provider import Route, UpstreamCall
from gateway_core.relay import Relay
from gateway_core.request import Request
from gateway_core.testing.case import NotApplicable
from gateway_core.testing.conversations import CONVERSATIONS
from gateway_core.testing.marks import Mark, mark
from gateway_core.testing.subject import Subject

__all__ = ["REFUSALS", "Asked", "as_handed_on", "ask", "asked", "every_conversation", "routes"]

REFUSALS = ("unsupported", "invalid_request")
"""Kinds of error by which a provider says that it cannot ask something."""

_MOST_ROUTES = 3


@dataclass(slots=True, frozen=True)
class Asked:
    """A conversation that was translated. request: as the provider got it, with planted words."""

    name: str
    request: Request
    marks: list[Mark]
    call: UpstreamCall


def routes(subject: Subject) -> list[Route]:
    """Routes to the first models that differ in what they can take, at most three."""
    found: dict[object, Route] = {}
    for model in subject.models:
        route = subject.route(model.id)
        found.setdefault(subject.capabilities(route), route)
        if len(found) == _MOST_ROUTES:
            break
    return list(found.values())


def as_handed_on(subject: Subject, request: Request, route: Route) -> Request:
    """The request as the core hands it to the provider. Raises `GatewayError` when it does not."""
    asked = replace(request, model=route.model)
    title = f"{route.provider}/{route.model}"
    return degrade(asked, subject.capabilities(route), title)[0]


def ask(
    subject: Subject,
    request: Request,
    route: Route | None = None,
    relay: Relay | None = None,
    credential: Credential | None = None,
) -> UpstreamCall:
    """The call for a request that the core handed on. Raises `GatewayError`, and `NotApplicable`
    when there is no login to ask with.
    """
    if subject.info.login != "none" and subject.credential is None:
        raise NotApplicable("it needs a login: override the fixture `credential`")
    try:
        return (relay or subject.relay).translate(
            request, route or subject.route(), credential or subject.credential
        )
    except (LoginRequired, Unauthorized) as error:
        raise NotApplicable(
            f"the credential given is not enough ({error.message}): override the fixture "
            "`credential` with one that has what the plugin reads"
        ) from error


def asked(subject: Subject, name: str, build: Callable[[], Request]) -> Asked | None:
    """A conversation with planted words, translated; None when it is refused."""
    route = subject.route()
    try:
        request, marks = mark(as_handed_on(subject, build(), route))
        return Asked(name, request, marks, ask(subject, request, route))
    except GatewayError as error:
        if error.kind not in REFUSALS:
            raise
        return None


def every_conversation() -> Iterator[tuple[str, Callable[[], Request]]]:
    """All names with what builds the conversation anew."""
    for name in CONVERSATIONS:
        yield name, partial(CONVERSATIONS.__getitem__, name)
