"""Area L: logins, against a scripted vendor."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from gateway_core.errors import LoginRequired
from gateway_core.testing.attempt import TROUBLES, Attempt, Trouble, attempt
from gateway_core.testing.case import Area, Findings, NotApplicable, Violation
from gateway_core.testing.credentials import secrets_of
from gateway_core.testing.redirects import first_redirect, with_members
from gateway_core.testing.subject import Subject
from gateway_core.testing.vendor import Vendor
from gateway_core.testing.watch import said_by, secrets_in

__all__ = [
    "AREA",
    "PASSING",
    "expect_login_required",
    "for_each_method",
    "scripted_vendor",
]

AREA: Final = Area("L", "login")

PASSING: Final = ("timeout", "upstream_failed", "upstream_protocol", "overloaded", "rate_limited")
"""Kinds of errors that say: the vendor has trouble, try again later."""

_GARBAGE = "canary-garbage-that-was-pasted"


def scripted_vendor(subject: Subject) -> Callable[[], Vendor]:
    """What makes the vendor. Raises `NotApplicable` when there is no login, or no vendor."""
    if subject.info.login == "none":
        raise NotApplicable("the provider has no login")
    if subject.vendor is None:
        raise NotApplicable(
            "override the fixture `vendor`: return a subclass of `OAuthVendor` or `KeyVendor` with "
            "the vendor's addresses, or a `Vendor` of your own"
        )
    return subject.vendor


async def for_each_method(
    subject: Subject, check: Callable[[str], Awaitable[None]], methods: Collection[str] = ()
) -> None:
    """Hold each method of the vendor, or those of these that it has, to a rule."""
    known = scripted_vendor(subject)().methods
    wanted = [method for method in known if not methods or method in methods]
    findings = Findings()
    reasons = []
    for method in wanted:
        with findings.about(f"method {method}"):
            try:
                await check(method)
            except NotApplicable as reason:
                reasons.append(str(reason))
    findings.settle()
    if len(reasons) == len(wanted):
        raise NotApplicable(reasons[0] if reasons else f"no method of {', '.join(methods)}")


@AREA.case(
    1,
    rule="A login that the person approves gives a credential with account, token and its end.",
    why="Without an account of its own a second login overwrites the first; a time without zone "
    "makes the core refresh at the wrong hour, or fail.",
    cure="Return Credential(provider=your id, account=the vendor's stable id, access_token=..., "
    "expires_at=datetime with tzinfo).",
)
async def gives_a_credential(subject: Subject) -> None:
    make = scripted_vendor(subject)

    async def check(method: str) -> None:
        async with attempt(subject.relay, make(), method) as login:
            await login.follow()
        credential = login.credential
        if credential is None:
            raise Violation(f"approved, but {login.outcome}: {login.error}")
        if not credential.account.strip() or not credential.account.isprintable():
            raise Violation(f"the account is {credential.account!r}")
        if credential.access_token.get_secret_value().strip() == "":
            raise Violation("the access token is empty")
        for name in ("expires_at", "refresh_at"):
            moment: datetime | None = getattr(credential, name)
            if moment is not None and moment.tzinfo is None:
                raise Violation(f"{name} has no time zone")
            if moment is not None and name == "expires_at" and moment <= datetime.now(UTC):
                raise Violation("the new token has ended already")

    await for_each_method(subject, check)


@AREA.case(
    3,
    rule="A login that the person or the vendor declines ends with LoginRequired.",
    why="It is no failure of a server: the message is all that the person gets to see.",
    cure="Raise LoginRequired that says who declined and what to do "
    "(`browser_login` and `device_login` do).",
)
async def a_refusal_ends_the_login(subject: Subject) -> None:
    make = scripted_vendor(subject)

    async def check(method: str) -> None:
        vendor = make()
        async with attempt(subject.relay, vendor, method) as login:
            seen = await login.url()
            if seen is not None:
                redirect = await vendor.browse(seen, "deny")
                if redirect is not None:
                    await login.come_back(redirect)
                await login.follow("deny")
                expect_login_required(login, "the vendor's page was answered with no")
                return
        empty = [""] * len(vendor.answers)
        async with attempt(subject.relay, make(), method, answers=empty) as login:
            await login.settled("after an empty answer")
        if login.credential is not None:
            raise Violation("an empty answer gave a credential")
        if login.error is not None:
            expect_login_required(login, "the question was answered with nothing")

    await for_each_method(subject, check)


@AREA.case(
    4,
    rule="A vendor that is out of reach, silent or broken fails a login as such, and at once.",
    why="Who is told to log in again does so again and again, while the vendor is down.",
    cure="Let httpx's errors through (the core translates them) and raise UpstreamFailed for a "
    "5xx; LoginRequired is for the person's part. `oauth.post` and `OAuthAnswer.failure` do it.",
)
async def trouble_is_not_the_persons(subject: Subject) -> None:
    make = scripted_vendor(subject)

    async def check(method: str) -> None:
        findings = Findings()
        asked = 0
        for trouble in TROUBLES:
            with findings.about(trouble):
                async with attempt(subject.relay, make(), method, trouble=trouble) as login:
                    await login.follow()
                    asked += login.line.sent
                if login.line.sent and (login.error is None or login.error.kind not in PASSING):
                    raise Violation(f"{login.outcome}: {login.error}")
        findings.settle()
        if not asked:
            raise NotApplicable("the login asks the vendor nothing")

    await for_each_method(subject, check)


@AREA.case(
    5,
    rule="A login that is cancelled ends at once, and none leaves a task or a listener behind.",
    why="After Ctrl-C the next login finds its port taken, or a question answered by the last one.",
    cure="Keep everything inside the hook: `async with LoopbackCallback`, task groups; never "
    "swallow CancelledError.",
)
async def cancelling_leaves_nothing(subject: Subject) -> None:
    make = scripted_vendor(subject)

    async def check(method: str) -> None:
        vendor = make()
        with suppress(NotApplicable):
            vendor.be("pending")
        port: int | None = None
        asking = None if method in ("browser", "paste", "device") else ()
        async with attempt(subject.relay, vendor, method, answers=asking) as login:
            if asking is not None:
                await login.settled("before it asks anything")
            elif (seen := await login.url()) is not None:
                with suppress(TimeoutError):
                    login.line.arrived.clear()
                    async with asyncio.timeout(0.1):
                        await login.line.arrived.wait()
                redirect = None if method == "device" else await vendor.browse(seen, "approve")
                port = urlsplit(redirect).port if redirect else None
            if login.task.done():
                raise NotApplicable(f"the {method} login waits for nobody: {login.outcome}")
            await login.cancel()
            if not login.task.cancelled():
                raise Violation(f"the cancelled login did not end as such: {login.outcome}")
        if port is not None and method == "browser" and await _listens(port):
            raise Violation("the listener for the redirect is still there")

    await for_each_method(subject, check)


@AREA.case(
    6,
    rule="No code, token, key or verifier is shown, logged or in an error, however a login ends.",
    why="Terminals are shared and recorded, logs and errors are posted in bug reports.",
    cure="Keep secrets in SecretStr, log nothing of requests and answers, quote no server's text "
    "without taking out what was sent (`oauth.post` does).",
)
async def tells_no_secret(subject: Subject) -> None:
    make = scripted_vendor(subject)

    async def check(method: str) -> None:
        findings = Findings()
        for ending in ("approved", "denied", "broken", "garbage"):
            with findings.about(ending), suppress(NotApplicable):
                vendor = make()
                trouble: Trouble | None = "broken" if ending == "broken" else None
                async with attempt(subject.relay, vendor, method, trouble=trouble) as login:
                    if ending == "garbage":
                        await _mislead(login)
                    else:
                        await login.follow("deny" if ending == "denied" else "approve")
                secrets = [*vendor.secrets(), _GARBAGE, *secrets_of(login.credential)]
                places = {
                    "shown to the person": login.told,
                    "in the log": "\n".join(login.logs),
                    "in the error": said_by(login.error),
                }
                if found := [where for where, text in places.items() if secrets_in(text, secrets)]:
                    raise Violation(f"a secret is {' and '.join(found)}")
        findings.settle()

    await for_each_method(subject, check)


@AREA.case(
    10,
    rule="A login that has to ask says so when nobody sits at the terminal.",
    why="Started by a script or a service, it would wait for ever, or fail as a bug of the plugin.",
    cure="Let the error of `prompt.ask` (a LoginRequired that is an EOFError too) through.",
)
async def nobody_at_the_terminal_is_noticed(subject: Subject) -> None:
    make = scripted_vendor(subject)

    async def check(method: str) -> None:
        if method in ("browser", "device"):
            raise NotApplicable(f"the {method} login needs no terminal")
        async with attempt(subject.relay, make(), method, answers=(), at_terminal=False) as login:
            await login.ended("though nobody is at the terminal")
        if login.person.questions:
            expect_login_required(login, "nobody is at the terminal")

    await for_each_method(subject, check)


async def _mislead(login: Attempt) -> None:
    """Come back with a code that the vendor never gave out."""
    redirect = await first_redirect(login, "code")
    await login.come_back(with_members(redirect, code=_GARBAGE))
    await login.settled("after a code that is none")


def expect_login_required(login: Attempt, event: str) -> None:
    if not isinstance(login.error, LoginRequired):
        told = f": {login.error}" if login.error else ""
        raise Violation(f"{event}, and {login.outcome}{told}")
    if not login.error.message.strip():
        raise Violation(f"{event}, and the LoginRequired says nothing")


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True
