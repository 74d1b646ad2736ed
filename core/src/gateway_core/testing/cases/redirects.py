"""Area L, continued: the authorize URL, and what comes back from it."""

import re
from typing import Final

from gateway_core.testing.attempt import attempt
from gateway_core.testing.case import Findings, NotApplicable, Violation
from gateway_core.testing.cases.login import (
    AREA,
    expect_login_required,
    for_each_method,
    scripted_vendor,
)
from gateway_core.testing.credentials import secrets_of
from gateway_core.testing.redirects import first_redirect, query_of, with_members
from gateway_core.testing.subject import Subject
from gateway_core.testing.watch import secrets_in

__all__ = ["AREA"]

_OTHER_STATE: Final = "canary-state-of-another-login"
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")


@AREA.case(
    2,
    rule="A redirect with another login's state completes nothing; the person is told.",
    why="Who can make a browser open a link could otherwise log the gateway in to their own "
    "account, and read what is asked with it.",
    cure="Compare the state before the code is spent (`LoopbackCallback` and `parse_pasted` do), "
    "and say that the fresh URL has to be opened.",
)
async def refuses_another_state(subject: Subject) -> None:
    make = scripted_vendor(subject)

    async def check(method: str) -> None:
        vendor = make()
        async with attempt(subject.relay, vendor, method) as login:
            redirect = await first_redirect(login, "state")
            spent, told = login.line.sent, len(login.person.shown)
            status = await login.come_back(with_members(redirect, state=_OTHER_STATE))
            if status is None or status < 400:
                await login.settled("after a redirect with another state")
            if login.credential is not None or login.line.sent > spent:
                raise Violation("a redirect with another state was taken for this login's")
            if login.error is not None:
                expect_login_required(login, "a redirect with another state")
                return
            if status is None and len(login.person.shown) == told:
                raise Violation("the person asked again is not told what was wrong")
            if (
                status is not None
                and (await login.come_back(with_members(redirect, state=None)) or 0) < 400
            ):
                raise Violation("a redirect without a state was taken for this login's")
            await login.come_back(redirect)
            await login.ended("after its own redirect came at last")
            if login.credential is None:
                raise Violation(f"its own redirect came at last, but {login.outcome}")

    await for_each_method(subject, check, ("browser", "paste"))


@AREA.case(
    7,
    rule="The authorize URL carries a state, PKCE of the method S256 where it has a challenge, and "
    "no secret.",
    why="Without them whoever sees the redirect, in a history or a proxy, can use the code.",
    cure="Build it with `authorize_url`, `random_state` and `pkce_pair`.",
)
async def the_authorize_url_is_guarded(subject: Subject) -> None:
    make = scripted_vendor(subject)

    async def check(method: str) -> None:
        vendor = make()
        async with attempt(subject.relay, vendor, method) as login:
            seen = await login.url()
            redirect = await vendor.browse(seen, "approve") if seen else None
            if seen is None or redirect is None:
                raise NotApplicable("the login has no authorize URL")
            await login.come_back(redirect)
            await login.follow()
        query = query_of(seen)
        if "state" in query_of(redirect) and not query.get("state"):
            raise Violation("the authorize URL has no state")
        if "code_challenge" in query:
            if query.get("code_challenge_method") != "S256":
                raise Violation(f"PKCE has the method {query.get('code_challenge_method')!r}")
            if not _CHALLENGE.fullmatch(query["code_challenge"]):
                raise Violation("the PKCE challenge is no SHA-256 in base64url without padding")
        if secrets_in(seen, [*vendor.secrets(), *secrets_of(login.credential)]):
            raise Violation("a secret is in the authorize URL")

    await for_each_method(subject, check, ("browser", "paste"))


@AREA.case(
    8,
    rule="Each login has a state and a PKCE challenge of its own.",
    why="A value used twice protects nothing: the link of one login fits the other.",
    cure="Make them inside the hook, not when the module or the plugin is loaded.",
)
async def logins_share_nothing(subject: Subject) -> None:
    make = scripted_vendor(subject)

    async def check(method: str) -> None:
        seen = []
        for _ in range(2):
            async with attempt(subject.relay, make(), method) as login:
                seen.append(query_of(await login.url() or ""))
        names = [name for name in ("state", "code_challenge", "nonce") if name in seen[0]]
        if not names:
            raise NotApplicable("the login has neither state nor challenge")
        if shared := [name for name in names if seen[0][name] == seen[1].get(name)]:
            raise Violation(f"two logins have the same {' and '.join(shared)}")

    await for_each_method(subject, check, ("browser", "paste"))


@AREA.case(
    9,
    rule="Pasting takes the whole address; a bare code or nonsense is taken, or answered in words.",
    why="People paste what they have: a line with blanks, the code alone, the wrong tab's address.",
    cure="Use `browser_login(..., listen=False)`, or `parse_pasted` and ask again.",
)
async def takes_what_is_pasted(subject: Subject) -> None:
    make = scripted_vendor(subject)

    async def check(method: str) -> None:
        findings = Findings()
        for what in ("address", "address with blanks around", "code", "nonsense", "nothing"):
            with findings.about(what):
                async with attempt(subject.relay, make(), method) as login:
                    redirect = await first_redirect(login, "code")
                    told = len(login.person.shown)
                    login.paste(_pasted(what, redirect))
                    await login.settled(f"after {what} was pasted")
                    if what.startswith("address") and login.credential is None:
                        raise Violation(f"{login.outcome}: {login.error or ''}")
                    if what == "nonsense" and login.credential is not None:
                        raise Violation("it gave a credential")
                    if login.error is not None:
                        expect_login_required(login, f"{what} was pasted")
                    elif not login.task.done():
                        if what != "nothing" and len(login.person.shown) == told:
                            raise Violation("the person is asked again and not told why")
                        login.paste(redirect)
                        await login.ended("after the right address was pasted at last")
        findings.settle()

    await for_each_method(subject, check, ("paste",))


def _pasted(what: str, redirect: str) -> str:
    match what:
        case "address":
            return redirect
        case "address with blanks around":
            return f"  {redirect} \n"
        case "code":
            return query_of(redirect)["code"]
        case "nonsense":
            return "https://www.example.com/search?q=how+to+log+in"
    return ""
