"""Area L of the kit: each way to get a login wrong is seen by its case."""

import asyncio
import logging
from collections.abc import Callable
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from pydantic import SecretStr

from gateway_core import (
    Credential,
    GatewayError,
    LoginPrompt,
    LoginRequired,
    UpstreamFailed,
    hookimpl,
)
from gateway_core.credentials.oauth import TokenResponse, exchange_code, pkce_pair
from gateway_core.testing.case import Case
from gateway_core.testing.cases.login import AREA
from gateway_core.testing.subject import Subject
from gateway_core.testing.suite import CASES, run_case
from support.about import each
from support.harp import CLIENT, TOKENS, Harp, HarpVendor, KeyHarp, harp_subject, key_harp_subject

BY_ID = {case.id: case for case in AREA.cases}
_REDIRECT = "http://127.0.0.1:1/callback"


class WithoutZone(Harp):
    """Its tokens end at a time of no place."""

    def credential(self, tokens: TokenResponse) -> Credential:
        credential = super().credential(tokens)
        assert credential.expires_at is not None
        return credential.model_copy(
            update={"expires_at": credential.expires_at.replace(tzinfo=None)}
        )


class WithoutAccount(Harp):
    """Does not say whose login it is."""

    def credential(self, tokens: TokenResponse) -> Credential:
        return super().credential(tokens).model_copy(update={"account": ""})


class Trusting(Harp):
    """Takes the first code it finds in what is pasted, and nothing else."""

    @hookimpl
    async def gateway_login(
        self, prompt: LoginPrompt, http: httpx.AsyncClient, method: str
    ) -> Credential:
        pkce = pkce_pair()
        prompt.show(f"Open {self.url(_REDIRECT, self.state(), pkce.challenge)}")
        code = dict(parse_qsl(urlsplit(await prompt.ask("Paste: ")).query))["code"]
        tokens = await exchange_code(
            http,
            TOKENS,
            client_id=CLIENT,
            code=code.strip(),
            redirect_uri=_REDIRECT,
            verifier=pkce.verifier,
        )
        return self.credential(tokens)


class BlamesTheServer(Harp):
    """A refusal is a failure of the server to it."""

    @hookimpl
    async def gateway_login(
        self, prompt: LoginPrompt, http: httpx.AsyncClient, method: str
    ) -> Credential:
        try:
            return await super().gateway_login(prompt, http, method)
        except LoginRequired as error:
            raise UpstreamFailed("it did not work") from error


class BlamesThePerson(Harp):
    """A failure of the server is a refusal to it."""

    @hookimpl
    async def gateway_login(
        self, prompt: LoginPrompt, http: httpx.AsyncClient, method: str
    ) -> Credential:
        try:
            return await super().gateway_login(prompt, http, method)
        except GatewayError as error:
            raise LoginRequired("log in again") from error


class LeavesATask(Harp):
    """Starts something and forgets it."""

    @hookimpl
    async def gateway_login(
        self, prompt: LoginPrompt, http: httpx.AsyncClient, method: str
    ) -> Credential:
        self.kept.append(asyncio.create_task(asyncio.Event().wait()))
        return await super().gateway_login(prompt, http, method)


class LeavesTheListener(Harp):
    """Never closes what it listened with."""

    @hookimpl
    async def gateway_login(
        self, prompt: LoginPrompt, http: httpx.AsyncClient, method: str
    ) -> Credential:
        server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
        self.kept.append(server)
        port = server.sockets[0].getsockname()[1]
        redirect = f"http://127.0.0.1:{port}/callback"
        prompt.open_browser(self.url(redirect, self.state(), pkce_pair().challenge))
        await prompt.ask("Paste: ")
        raise LoginRequired("start again")


class Unstoppable(Harp):
    """Takes a cancellation for an answer."""

    @hookimpl
    async def gateway_login(
        self, prompt: LoginPrompt, http: httpx.AsyncClient, method: str
    ) -> Credential:
        try:
            return await super().gateway_login(prompt, http, method)
        except asyncio.CancelledError:
            raise LoginRequired("cancelled") from None


class LogsTheToken(Harp):
    """Helps its author to debug."""

    def credential(self, tokens: TokenResponse) -> Credential:
        logging.getLogger("harp").debug("granted: %s", tokens.raw)
        return super().credential(tokens)


class ShowsTheKey(KeyHarp):
    """Repeats what was typed."""

    @hookimpl
    async def gateway_login(
        self, prompt: LoginPrompt, http: httpx.AsyncClient, method: str
    ) -> Credential:
        credential = await super().gateway_login(prompt, http, method)
        prompt.show(f"Thank you for {credential.access_token.get_secret_value()}")
        return credential


class QuotesTheCode(Harp):
    """Puts what was refused into the error."""

    @hookimpl
    async def gateway_login(
        self, prompt: LoginPrompt, http: httpx.AsyncClient, method: str
    ) -> Credential:
        answer = await http.post(TOKENS, data={"grant_type": "authorization_code", "code": "x"})
        prompt.show(f"Open {self.url(_REDIRECT, self.state(), pkce_pair().challenge)}")
        pasted = await prompt.ask("Paste: ")
        raise LoginRequired(f"{answer.status_code}: {pasted} was refused; start again")


class PlainChallenge(Harp):
    """PKCE for whom reading the URL is enough."""

    def url(self, redirect_uri: str, state: str, challenge: str) -> str:
        return super().url(redirect_uri, state, challenge).replace("S256", "plain")


class Stateless(Harp):
    """Hopes that nobody interferes."""

    def url(self, redirect_uri: str, state: str, challenge: str) -> str:
        return super().url(redirect_uri, state, challenge).replace("state=", "mood=")


class OneStateForAll(Harp):
    """Made its state once."""

    def state(self) -> str:
        return "0123456789abcdef"


class WaitsForNobody(KeyHarp):
    """Asks until somebody answers."""

    @hookimpl
    async def gateway_login(
        self, prompt: LoginPrompt, http: httpx.AsyncClient, method: str
    ) -> Credential:
        try:
            return await super().gateway_login(prompt, http, method)
        except EOFError:
            raise ValueError("no terminal") from None


class AnswersNothing(KeyHarp):
    """Takes an empty key."""

    @hookimpl
    async def gateway_login(
        self, prompt: LoginPrompt, http: httpx.AsyncClient, method: str
    ) -> Credential:
        key = await prompt.ask("Key: ")
        return Credential(provider="harp", account="default", access_token=SecretStr(key))


class PastesOnly(HarpVendor):
    """Harp's login service, for plugins that know one way of login."""

    methods = ("paste",)


def pasting(make: Callable[[], object]) -> Subject:
    """A plugin that only takes pasted addresses."""
    return Subject(make=make, vendor=PastesOnly)


FAULTS: list[tuple[str, Subject, str]] = [
    ("L01", harp_subject(WithoutZone), "expires_at has no time zone"),
    ("L01", harp_subject(WithoutAccount), "the account is ''"),
    ("L02", pasting(Trusting), "another state was taken for this login's"),
    ("L03", harp_subject(BlamesTheServer), "it raised UpstreamFailed"),
    ("L03", key_harp_subject(AnswersNothing), "an empty answer gave a credential"),
    ("L04", harp_subject(BlamesThePerson), "it raised LoginRequired"),
    ("L05", harp_subject(LeavesATask), "there still runs Event.wait"),
    ("L05", harp_subject(LeavesTheListener), "the listener for the redirect is still there"),
    ("L05", harp_subject(Unstoppable), "did not end as such"),
    ("L06", harp_subject(LogsTheToken), "a secret is in the log"),
    ("L06", key_harp_subject(ShowsTheKey), "a secret is shown to the person"),
    ("L06", pasting(QuotesTheCode), "a secret is in the error"),
    ("L07", harp_subject(PlainChallenge), "no PKCE challenge of the method S256"),
    ("L07", harp_subject(Stateless), "the authorize URL has no state"),
    ("L08", harp_subject(OneStateForAll), "two logins have the same state"),
    ("L09", pasting(Trusting), "code: code was pasted, and it raised Internal"),
    ("L10", key_harp_subject(WaitsForNobody), "it raised Internal"),
]


@pytest.mark.parametrize("case", AREA.cases, ids=str)
def test_an_honest_login_passes(case: Case) -> None:
    result = run_case(case, harp_subject())
    assert (result.outcome, result.detail) == ("passed", "")


@each("case", AREA.cases)
def test_an_honest_key_passes_or_is_told_why_a_rule_does_not_apply(case: Case) -> None:
    result = run_case(case, key_harp_subject())
    assert result.outcome != "failed", result.explanation
    assert (result.outcome == "skipped") == bool(result.detail)


@pytest.mark.parametrize(("id", "subject", "seen"), FAULTS, ids=lambda value: _name(value))
def test_a_faulty_login_is_seen(id: str, subject: Subject, seen: str) -> None:
    result = run_case(BY_ID[id], subject)
    assert result.outcome == "failed"
    assert seen in result.detail


def test_every_case_of_the_area_is_in_the_suite_and_has_a_planted_fault() -> None:
    ids = {case.id for case in CASES if case.area == AREA.title}
    assert ids == BY_ID.keys() == {id for id, _, _ in FAULTS}


def test_without_a_vendor_the_cases_say_what_to_give() -> None:
    result = run_case(BY_ID["L01"], Subject(make=Harp))
    assert result.outcome == "skipped"
    assert "`OAuthVendor`" in result.detail


def test_no_failure_tells_a_secret() -> None:
    details = [run_case(BY_ID[id], subject).detail for id, subject, _ in FAULTS]
    assert [detail for detail in details if "canary" in detail] == []


def _name(value: object) -> str:
    return getattr(value.make, "__name__", "") if isinstance(value, Subject) else str(value)
