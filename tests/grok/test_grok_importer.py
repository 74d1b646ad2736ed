"""The login of Grok's own CLI: taken over on request, read again, never renewed."""

import json
from pathlib import Path

import httpx
import pytest

from gateway_core import Credential, GatewayError, JsonObject, LoginRequired, UpstreamFailed
from gateway_grok.login import CLIENT_ID
from gateway_grok.plugin import GrokProvider
from gateway_grok.settings import GrokSettings

KEY = f"https://auth.x.ai::{CLIENT_ID}"
ENTRY: JsonObject = {
    "key": "access-1",
    "auth_mode": "oidc",
    "user_id": "u-5c1",
    "email": "ann@example.org",
    "refresh_token": "rt-canary",
    "expires_at": "2026-08-01T16:00:00Z",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The CLI's file, with a login."""
    path = tmp_path / "auth.json"
    path.write_text(json.dumps({"xai::api_key": {"key": "k"}, KEY: ENTRY}))
    return path


def imported(source: Path | None) -> Credential:
    return GrokProvider().gateway_import(source)


async def read_again(credential: Credential) -> Credential:
    async with httpx.AsyncClient(transport=httpx.MockTransport(_nobody)) as http:
        return await GrokProvider().gateway_refresh(credential, http, GrokSettings())


def _nobody(request: httpx.Request) -> httpx.Response:
    raise AssertionError("an imported login is never renewed by us")


def test_a_login_is_taken_over(file: Path) -> None:
    credential = imported(file)
    assert credential.key == ("grok", "u-5c1")
    assert credential.label == "ann@example.org"
    assert credential.access_token.get_secret_value() == "access-1"
    assert credential.expires_at is not None
    assert credential.expires_at.isoformat() == "2026-08-01T16:00:00+00:00"
    assert credential.extra == {"imported_from": str(file)}
    assert "canary" not in repr(credential)


def test_the_usual_place_is_in_the_environment(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROK_HOME", str(file.parent))
    assert imported(None).account == "u-5c1"
    assert imported(file.parent).account == "u-5c1"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "there is no"),
        ("{", "is no JSON"),
        ("{}", "no login of a subscription is in"),
        ('{"xai::api_key":{"key":"k"}}', "only an API key is in"),
        (json.dumps({KEY: {"email": "ann@example.org"}}), "no access token"),
    ],
)
def test_where_there_is_nothing_to_take_over_the_command_is_named(
    text: str | None, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "auth.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(LoginRequired, match=words) as caught:
        imported(path)
    assert "gateway login grok" in caught.value.message


def test_a_place_that_cannot_be_looked_at_is_no_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of somebody else's is one; this is another, for whoever runs the tests as root."""
    monkeypatch.setenv("GROK_HOME", str(tmp_path / ("x" * 300)))
    with pytest.raises(LoginRequired, match=r"auth\.json cannot be read"):
        imported(None)


def rewrite(file: Path, **changes: str) -> None:
    """What the CLI does at a refresh or a login."""
    file.write_text(json.dumps({KEY: {**ENTRY, **changes}}))


async def test_what_the_cli_has_renewed_is_adopted(file: Path) -> None:
    credential = imported(file).model_copy(update={"label": "work"})
    rewrite(file, key="access-2")
    fresh = await read_again(credential)
    assert fresh.access_token.get_secret_value() == "access-2"
    assert fresh.label == "work"


async def test_what_the_cli_has_not_renewed_is_its_business(file: Path) -> None:
    with pytest.raises(GatewayError, match="run `grok` once") as caught:
        await read_again(imported(file))
    assert not isinstance(caught.value, LoginRequired)


async def test_the_login_of_another_account_is_not_adopted(file: Path) -> None:
    credential = imported(file)
    rewrite(file, key="access-2", user_id="u-other")
    with pytest.raises(UpstreamFailed, match="another account"):
        await read_again(credential)
