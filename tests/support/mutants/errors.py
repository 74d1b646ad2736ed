"""Faults in what errors of the upstream become: area E."""

from collections.abc import Callable, Iterator, Mapping

from gateway_core import GatewayError, RateLimited, Unauthorized, UpstreamFailed, hookimpl
from gateway_core.errors import Internal, error_for_status
from gateway_core.events import Event, Fail
from gateway_core.json import loads_object
from gateway_core.provider import UpstreamCall
from gateway_demo.plugin import DemoProvider
from support.mutants.base import Make, Mutant
from support.mutants.keyed import KeyedDemo, keyed_subject
from support.mutants.streams import telling

__all__ = ["MUTANTS"]

Judge = Callable[[int, bytes], GatewayError | None]


def judging(judge: Judge) -> Make:
    """The demo provider that takes HTTP errors for something else."""

    class Judging(DemoProvider):
        @hookimpl
        def gateway_error(
            self, status: int, headers: Mapping[str, str], body: bytes
        ) -> GatewayError | None:
            return judge(status, body)

    return Judging


class Leaky(KeyedDemo):
    """Shows what it was refused with."""

    @hookimpl
    def gateway_error(  # type: ignore[override]  # hooks take what they need
        self, status: int, headers: Mapping[str, str], body: bytes, call: UpstreamCall
    ) -> GatewayError | None:
        return error_for_status(status, f"refused {call.headers}")


class Talkative(KeyedDemo):
    """Keeps the answer for the log."""

    @hookimpl
    def gateway_error(  # type: ignore[override]  # hooks take what they need
        self, status: int, headers: Mapping[str, str], body: bytes, call: UpstreamCall
    ) -> GatewayError | None:
        error = error_for_status(status, "refused")
        error.upstream = {"body": body.decode("utf-8", "replace")}
        return error


def expect_the_documented(status: int, body: bytes) -> GatewayError:
    return UpstreamFailed(loads_object(body)["error"]["message"])


def blame_the_server(status: int, body: bytes) -> GatewayError:
    return UpstreamFailed("something failed")


def forget_when(status: int, body: bytes) -> GatewayError | None:
    return RateLimited("slow down") if status == 429 else None


def quote(status: int, body: bytes) -> GatewayError:
    return error_for_status(status, body.decode("utf-8", "replace") or "nothing")


def say_nothing(status: int, body: bytes) -> GatewayError:
    return error_for_status(status, "")


def blame_the_login(status: int, body: bytes) -> GatewayError | None:
    return Unauthorized("log in again") if status == 429 else None


def blame_ourselves(event: Event) -> Event:
    return Fail(Internal(event.error.message)) if isinstance(event, Fail) else event


def _rows() -> Iterator[Mutant]:
    yield Mutant("knows one shape of error", "E01", judging(expect_the_documented), "raised")
    yield Mutant("blames the server", "E02", judging(blame_the_server), "status 401")
    yield Mutant("blames the login", "E02", judging(blame_the_login), "it is unauthorized")
    yield Mutant("forgets when to come back", "E03", judging(forget_when), "instead of 7")
    yield Mutant("quotes web pages", "E04", judging(quote), "quotes a web page")
    yield Mutant("says nothing", "E04", judging(say_nothing), "the message is empty")
    yield Mutant(
        "shows the token", "E05", Leaky, "a secret", honest=KeyedDemo, subject=keyed_subject
    )
    yield Mutant(
        "logs the token", "E05", Talkative, "an echo", honest=KeyedDemo, subject=keyed_subject
    )
    yield Mutant("blames itself", "E06", telling(blame_ourselves), "it is internal")
    yield Mutant("takes all for one", "E07", judging(blame_the_server), "instead of rate_limited")


MUTANTS = list(_rows())
