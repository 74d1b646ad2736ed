"""Logging in at the simulated portal, which checks challenge, state and address: with Google or
GitHub, and where it sends people on to AWS.
"""

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from gateway_core import Credential, LoginRequired
from gateway_kiro.login import login
from gateway_kiro.settings import KiroSettings
from simulators.kiro.server import KiroSimulator
from simulators.kiro.state import CANARY, Account
from support.login_prompt import ScriptedPrompt

ORGANISATION = "arn:aws:codewhisperer:eu-central-1:111122223333:profile/MNOPQRSTUVWX"


@pytest.fixture(scope="module")
def running() -> Iterator[KiroSimulator]:
    with KiroSimulator() as simulator:
        simulator.state.add_account(Account("b", "builder", "bob@example.com"))
        simulator.state.add_account(
            Account("o", "organisation", "eve@example.com", profile=ORGANISATION)
        )
        yield simulator


@pytest.fixture
def simulator(running: KiroSimulator) -> Iterator[KiroSimulator]:
    running.forget_requests()
    yield running
    assert running.violations == []


@pytest.fixture
def there(simulator: KiroSimulator) -> KiroSettings:
    """Settings that lead to the simulator; logins come back to any free port."""
    return KiroSettings.model_validate({**simulator.urls, "callback_ports": (0,)})


async def logged_in(
    http: httpx.AsyncClient, settings: KiroSettings, prompt: ScriptedPrompt
) -> Credential:
    """What a login in the browser brings, for a person who agrees."""
    work = asyncio.create_task(login(prompt, http, settings, "browser"))
    await http.get(await prompt.opened.get(), follow_redirects=True)
    return await work


@pytest.mark.parametrize("option", ["google", "github"])
async def test_a_login_in_the_browser(
    simulator: KiroSimulator, http: httpx.AsyncClient, there: KiroSettings, option: str
) -> None:
    simulator.login.option = option
    prompt = ScriptedPrompt()
    credential = await logged_in(http, there, prompt)
    account = simulator.state.account_of(credential.access_token.get_secret_value())
    assert (credential.account, credential.label) == (account.id, "ann@example.com")
    assert credential.extra["profile_arn"] == account.profile
    assert "This is the login of ann@example.com." in prompt.shown
    assert CANARY not in "".join(prompt.shown) + repr(credential)


@pytest.mark.parametrize(
    ("option", "label"), [("builderid", "bob@example.com"), ("awsidc", "eve@example.com")]
)
async def test_a_login_that_goes_on_at_aws(
    simulator: KiroSimulator,
    http: httpx.AsyncClient,
    there: KiroSettings,
    option: str,
    label: str,
) -> None:
    simulator.login.option = option
    simulator.login.device_answers.append("authorization_pending")
    credential = await logged_in(http, there, ScriptedPrompt())
    assert credential.label == label
    assert credential.secrets.keys() == {"client_secret"}
    if option == "awsidc":
        assert credential.extra["sso_region"] == "eu-west-1"
        assert credential.extra["profile_arn"] == ORGANISATION


async def test_a_person_who_declines(
    simulator: KiroSimulator, http: httpx.AsyncClient, there: KiroSettings
) -> None:
    simulator.login.option = "deny"
    with pytest.raises(LoginRequired, match="User cancelled"):
        await logged_in(http, there, ScriptedPrompt())


@pytest.mark.parametrize(
    ("status", "words"), [("expired_token", "expired"), ("access_denied", "refused")]
)
async def test_a_device_login_that_comes_to_nothing(
    simulator: KiroSimulator,
    http: httpx.AsyncClient,
    there: KiroSettings,
    status: str,
    words: str,
) -> None:
    simulator.login.device_answers.append(status)
    with pytest.raises(LoginRequired, match=words):
        await login(ScriptedPrompt("3"), http, there, "device")
