"""Faults in keeping secrets: area P. All are of the demo provider behind a login."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway_core import (
    Credential,
    GatewayError,
    Request,
    Route,
    UpstreamCall,
    UpstreamFailed,
    hookimpl,
)
from gateway_core.json import dumps, loads_object
from support.mutants.base import Mutant
from support.mutants.keyed import KeyedDemo, KeyedSettings, keyed_subject

__all__ = ["MUTANTS"]

Plugin = type[KeyedDemo]

log = logging.getLogger(__name__)


@dataclass
class State:
    """A plugin's own state with a token in it."""

    token: str


def _sending(change: Callable[[UpstreamCall, Credential], None]) -> Plugin:
    class Sending(KeyedDemo):
        @hookimpl
        def gateway_translate(  # type: ignore[override]
            self, request: Request, route: Route, credential: Credential, settings: KeyedSettings
        ) -> UpstreamCall:
            call = super().gateway_translate(request, route, credential, settings)
            change(call, credential)
            return call

    return Sending


def _token(credential: Credential) -> str:
    return credential.access_token.get_secret_value()


def into_the_url(call: UpstreamCall, credential: Credential) -> None:
    call.url += f"?key={_token(credential)}"


def into_the_body(call: UpstreamCall, credential: Credential) -> None:
    call.body = dumps(loads_object(call.body) | {"token": _token(credential)})


def into_the_state(call: UpstreamCall, credential: Credential) -> None:
    call.state = State(_token(credential))


def into_a_header(call: UpstreamCall, credential: Credential) -> None:
    assert credential.refresh_token is not None
    call.headers["x-refresh"] = credential.refresh_token.get_secret_value()


def out_of_the_headers(call: UpstreamCall, credential: Credential) -> None:
    del call.headers["authorization"]


def behind_a_mask(call: UpstreamCall, credential: Credential) -> None:
    call.headers["authorization"] = f"Bearer {credential.access_token}"


def into_the_log(call: UpstreamCall, credential: Credential) -> None:
    log.debug("sending %s", call.headers)


def onto_the_screen(call: UpstreamCall, credential: Credential) -> None:
    print(call.headers)


class TellingErrors(KeyedDemo):
    """Quotes what it sent when it fails."""

    @hookimpl
    def gateway_error(  # type: ignore[override]
        self, status: int, headers: Mapping[str, str], body: bytes, call: UpstreamCall
    ) -> GatewayError | None:
        return UpstreamFailed(f"the answer to {call.headers} was {status}")


class TellingDetails(KeyedDemo):
    """Keeps what it sent in the details of an error."""

    @hookimpl
    def gateway_error(  # type: ignore[override]
        self, status: int, headers: Mapping[str, str], body: bytes, call: UpstreamCall
    ) -> GatewayError | None:
        return UpstreamFailed("it failed", upstream={"sent": dict(call.headers)})


class OpenSettings(KeyedSettings):
    """Prints its key in clear."""

    def __repr__(self) -> str:
        return f"OpenSettings({self.proxy_key.get_secret_value()})"


class OpenKeyed(KeyedDemo):
    """Has settings that print their key."""

    settings = OpenSettings


def _mutant(fault: str, case: str, plugin: Plugin, seen: str) -> Mutant:
    return Mutant(fault, case, plugin, seen, honest=KeyedDemo, subject=keyed_subject)


MUTANTS = [
    _mutant("leaks the token into the URL", "P01", _sending(into_the_url), "in the URL"),
    _mutant("leaks the token into the body", "P01", _sending(into_the_body), "in the body"),
    _mutant("leaks the token into the state", "P01", _sending(into_the_state), "its state"),
    _mutant("sends the refresh token", "P02", _sending(into_a_header), "the refresh token"),
    _mutant("forgets the credential", "P02", _sending(out_of_the_headers), "no header carries it"),
    _mutant("sends the mask", "P02", _sending(behind_a_mask), "no header carries it"),
    _mutant("logs its headers", "P03", _sending(into_the_log), "logged or printed"),
    _mutant("prints its headers", "P03", _sending(onto_the_screen), "logged or printed"),
    _mutant("leaks the token into a message", "P04", TellingErrors, "UpstreamFailed: a secret"),
    _mutant("leaks the token into details", "P04", TellingDetails, "UpstreamFailed: a secret"),
    _mutant("shows its settings", "P05", OpenKeyed, "repr(settings)"),
]
