"""Area R of the kit: each way to get a refresh wrong is seen by its case."""

import logging
from datetime import UTC, datetime

import httpx
import pytest
from pydantic import SecretStr

from gateway_core import Credential, GatewayError, LoginRequired, UpstreamFailed, hookimpl
from gateway_core.testing import fake_credential
from gateway_core.testing.case import Case
from gateway_core.testing.cases.refresh import AREA
from gateway_core.testing.subject import Subject
from gateway_core.testing.suite import CASES, run_case
from support.about import each
from support.harp import CLIENT, TOKENS, Harp, HarpVendor, harp_subject, key_harp_subject

BY_ID = {case.id: case for case in AREA.cases}


class Refreshing(Harp):
    """Refreshes honestly, then spoils what it got."""

    @hookimpl
    async def gateway_refresh(self, credential: Credential, http: httpx.AsyncClient) -> Credential:
        return self.spoil(credential, await super().gateway_refresh(credential, http))

    def spoil(self, stale: Credential, fresh: Credential) -> Credential:
        """What is returned instead."""
        raise NotImplementedError


class StartsAnew(Refreshing):
    """Makes the credential from nothing but the tokens."""

    def spoil(self, stale: Credential, fresh: Credential) -> Credential:
        return Credential(
            provider="harp",
            account="harpist-1",
            access_token=fresh.access_token,
            refresh_token=fresh.refresh_token,
        )


class ChangesTheAccount(Refreshing):
    """Takes the login for another one."""

    def spoil(self, stale: Credential, fresh: Credential) -> Credential:
        return fresh.model_copy(update={"account": "harpist-2"})


class KeepsTheAccessToken(Refreshing):
    """Keeps what it has to replace."""

    def spoil(self, stale: Credential, fresh: Credential) -> Credential:
        return fresh.model_copy(update={"access_token": stale.access_token})


class EndsInThePast(Refreshing):
    """Reads the lifetime as a date."""

    def spoil(self, stale: Credential, fresh: Credential) -> Credential:
        return fresh.model_copy(update={"expires_at": datetime.fromtimestamp(3600, UTC)})


class KeepsTheSpentToken(Refreshing):
    """Overlooks that the refresh token is a new one."""

    def spoil(self, stale: Credential, fresh: Credential) -> Credential:
        return fresh.model_copy(update={"refresh_token": stale.refresh_token})


class WantsANewToken(Harp):
    """Overlooks that there need not be a new refresh token."""

    @hookimpl
    async def gateway_refresh(self, credential: Credential, http: httpx.AsyncClient) -> Credential:
        body = await _post(http, credential)
        token = body.get("refresh_token")
        return credential.model_copy(
            update={
                "access_token": SecretStr(body["access_token"]),
                "refresh_token": SecretStr(token) if token else None,
            }
        )


class NeverGivesUp(Harp):
    """Takes every refusal for bad weather."""

    @hookimpl
    async def gateway_refresh(self, credential: Credential, http: httpx.AsyncClient) -> Credential:
        try:
            return await super().gateway_refresh(credential, http)
        except LoginRequired as error:
            raise UpstreamFailed("try again") from error


class GivesUpAtOnce(Harp):
    """Takes bad weather for a refusal."""

    @hookimpl
    async def gateway_refresh(self, credential: Credential, http: httpx.AsyncClient) -> Credential:
        try:
            return await super().gateway_refresh(credential, http)
        except GatewayError as error:
            raise LoginRequired("log in again") from error


class TrustsInATokens(Harp):
    """Has never seen a credential without refresh token."""

    @hookimpl
    async def gateway_refresh(self, credential: Credential, http: httpx.AsyncClient) -> Credential:
        assert credential.refresh_token is not None
        return await super().gateway_refresh(credential, http)


class QuotesTheToken(Harp):
    """Passes the vendor's words on, with the token in them."""

    @hookimpl
    async def gateway_refresh(self, credential: Credential, http: httpx.AsyncClient) -> Credential:
        body = await _post(http, credential)
        if "error" in body:
            raise LoginRequired(str(body["error_description"]))
        return await super().gateway_refresh(credential, http)


class LogsTheAnswer(Harp):
    """Helps its author to debug."""

    @hookimpl
    async def gateway_refresh(self, credential: Credential, http: httpx.AsyncClient) -> Credential:
        fresh = await super().gateway_refresh(credential, http)
        logging.getLogger("harp").info("got %s", fresh.access_token.get_secret_value())
        return fresh


FAULTS: list[tuple[str, type[Harp], str]] = [
    ("R01", StartsAnew, "extra lost region; secrets lost id_token"),
    ("R01", StartsAnew, "the label that the person chose is gone"),
    ("R01", ChangesTheAccount, "the account is another one"),
    ("R01", KeepsTheAccessToken, "the access token is the old one"),
    ("R01", EndsInThePast, "the fresh token has ended already"),
    (
        "R02",
        KeepsTheSpentToken,
        "the vendor's usual answer: the second refresh raised LoginRequired",
    ),
    ("R02", WantsANewToken, "without a new refresh token: the first refresh lost"),
    ("R03", NeverGivesUp, "it raised UpstreamFailed"),
    ("R04", GivesUpAtOnce, "unreachable: it raised LoginRequired"),
    ("R05", TrustsInATokens, "it raised Internal"),
    ("R06", QuotesTheToken, "rejecting: a secret is in the error"),
    ("R06", LogsTheAnswer, "well: a secret is in the log"),
]


async def _post(http: httpx.AsyncClient, credential: Credential) -> dict[str, str]:
    token = credential.refresh_token.get_secret_value() if credential.refresh_token else ""
    fields = {"grant_type": "refresh_token", "client_id": CLIENT, "refresh_token": token}
    body: dict[str, str] = (await http.post(TOKENS, data=fields)).json()
    return body


@pytest.mark.parametrize("case", AREA.cases, ids=str)
def test_an_honest_refresh_passes(case: Case) -> None:
    result = run_case(case, harp_subject())
    assert (result.outcome, result.detail) == ("passed", "")


@each("case", AREA.cases)
def test_keys_have_nothing_to_refresh(case: Case) -> None:
    result = run_case(case, key_harp_subject())
    assert result.outcome == "skipped"
    assert "not refreshed" in result.detail


@pytest.mark.parametrize(("id", "make", "seen"), FAULTS)
def test_a_faulty_refresh_is_seen(id: str, make: type[Harp], seen: str) -> None:
    result = run_case(BY_ID[id], harp_subject(make))
    assert result.outcome == "failed"
    assert seen in result.detail
    assert "canary" not in result.detail


def test_every_case_of_the_area_is_in_the_suite_and_has_a_planted_fault() -> None:
    ids = {case.id for case in CASES if case.area == AREA.title}
    assert ids == BY_ID.keys() == {id for id, _, _ in FAULTS}


def test_a_vendor_that_never_rotates_is_as_good() -> None:
    class Steady(HarpVendor):
        rotates = False

    results = [run_case(case, harp_subject(vendor=Steady)) for case in AREA.cases]
    assert {result.outcome for result in results} == {"passed"}


def test_a_fake_credential_proves_some_of_it_without_a_vendor() -> None:
    subject = Subject(make=GivesUpAtOnce, credential=fake_credential("harp"))
    assert run_case(BY_ID["R04"], subject).outcome == "failed"
    assert run_case(BY_ID["R05"], subject).outcome == "passed"
