"""Several people of one ChatGPT workspace, and logins kept before they were told apart."""

import json
from pathlib import Path

import httpx
import pytest
from dirty_equals import IsStr
from pydantic import SecretStr

from gateway_codex.identity import is_same_account
from gateway_codex.login import refresh
from gateway_codex.plugin import CodexProvider
from gateway_codex.request import account_headers
from gateway_codex.settings import CodexSettings
from gateway_core import Credential, Message, Reasoning, Request, Route, Seal, Text
from gateway_core.credentials.file_store import FileStore
from gateway_core.json import JsonObject
from simulators.codex.auth import LoginScript
from simulators.codex.state import Account, BackendState
from support.about import each
from support.codex_logins import (
    ACCOUNT,
    ACCOUNT_ID,
    OwnerFile,
    credential_of,
    owner_document,
    unsigned_jwt,
)
from support.command import GatewayCommand

BOBS = f"{ACCOUNT_ID}/user-bob"
SCOPE_OF_BEFORE = "666ff6ccaa5b"
"""The stamp of seals while the workspace alone was the account: clients still hold them."""


def login(
    account: str = "w1",
    user: str | None = None,
    email: str | None = None,
    *,
    claim: str = "user_id",
) -> Credential:
    """A login whose tokens say who it is, or do not."""
    claims: JsonObject = {"https://api.openai.com/auth": {claim: user} if user else {}}
    if email:
        claims["email"] = email
    token = SecretStr(unsigned_jwt(claims))
    return Credential(provider="codex", account=account, access_token=token)


@each(
    "one, other, same",
    [
        (login("w1/ann"), login("w1/ann"), True),
        (login("w1/ann"), login("w1/bob"), False),
        (login("w1/ann"), login("w2/ann"), False),
        (login("w1/ann"), login("w1", "ann"), True),
        (login("w1/ann"), login("w1", "ann", claim="chatgpt_user_id"), True),
        (login("w1/ann"), login("w1", "bob"), False),
        (login("w1/ann", email="a@x"), login("w1", email="A@x"), True),
        (login("w1/ann", email="a@x"), login("w1", email="b@x"), False),
        (login("w1"), login("w2"), False),
    ],
)
def test_logins_are_of_one_account_when_person_and_workspace_are_the_same(
    one: Credential, other: Credential, same: bool
) -> None:
    assert is_same_account(one, other) is same
    assert CodexProvider().gateway_same_account(other, one) is same


def test_a_login_that_does_not_say_whose_it_is_takes_nobodys_place() -> None:
    """But one that was kept under the workspace alone may be replaced by whoever logs in."""
    nobody, ann = login("w1"), login("w1/ann", email="a@x")
    assert not is_same_account(nobody, ann)
    assert is_same_account(ann, nobody)


@each("account", [ACCOUNT, ACCOUNT_ID])
def test_the_backend_is_told_the_workspace(account: str) -> None:
    headers = account_headers(login(account), CodexSettings())
    assert headers["chatgpt-account-id"] == ACCOUNT_ID


def sealed_input(seal: Seal, account: str) -> list[JsonObject]:
    """The items of a conversation with a sealed thought that the backend is sent."""
    said = [
        Message("user", [Text("Hello")]),
        Message("assistant", [Reasoning("", seal), Text("Hi.")]),
        Message("user", [Text("And?")]),
    ]
    request = Request("gpt-5.5", said)
    route = Route("codex", "gpt-5.5", "gpt-5.5")
    call = CodexProvider().gateway_translate(request, route, login(account), CodexSettings())
    items: list[JsonObject] = json.loads(call.body)["input"]
    return items


@each("account, replayed", [(ACCOUNT, True), (ACCOUNT_ID, True), ("elsewhere/user-abc", False)])
def test_seals_of_before_are_read_in_their_workspace(account: str, replayed: bool) -> None:
    items = sealed_input(Seal("codex", "gAAAAx", "rs_1", SCOPE_OF_BEFORE), account)
    assert ("reasoning" in [item.get("type") for item in items]) is replayed


@pytest.fixture
def gateway(tmp_path: Path, settings: CodexSettings, script: LoginScript) -> GatewayCommand:
    """The command in front of the simulator."""
    home = tmp_path / "home"
    home.mkdir()
    addresses = settings.model_dump(include={"auth_url", "base_url", "backend_url"})
    environ = {f"GATEWAY_PROVIDERS__CODEX__{key.upper()}": url for key, url in addresses.items()}
    return GatewayCommand(home, {"GATEWAY_PLUGINS": "codex", **environ})


def logged_in(gateway: GatewayCommand) -> list[tuple[str, bool]]:
    """The ids of all accounts, and whether they serve."""
    listed = json.loads(gateway.output("accounts", "--json"))
    return [(account["account_id"], account["active"]) for account in listed["accounts"]]


def test_two_people_of_a_workspace_have_an_account_each(
    gateway: GatewayCommand, backend: BackendState
) -> None:
    gateway.output("login", "codex", "--device")
    backend.add_account(Account(ACCOUNT_ID, email="bob@example.com", user_id="user-bob"))
    gateway.output("login", "codex", "--device")
    assert logged_in(gateway) == [(ACCOUNT, False), (BOBS, True)]

    gateway.output("accounts", "use", "codex", "ann")
    assert logged_in(gateway) == [(ACCOUNT, True), (BOBS, False)]
    shown = gateway.output("accounts").splitlines()
    assert shown[2:4] == [
        IsStr(regex=rf"codex +ann@example\.com +{ACCOUNT_ID}/user-a… +active .*"),
        IsStr(regex=rf"codex +bob@example\.com +{ACCOUNT_ID}/user-b… .*"),
    ]


def test_a_login_of_before_serves_and_is_replaced_by_the_next_of_the_same_person(
    gateway: GatewayCommand, backend: BackendState
) -> None:
    store = FileStore(gateway.home / "credentials")
    store.put(credential_of(backend.log_in(ACCOUNT_ID)))
    assert "refreshed, good until" in gateway.output("refresh", "codex")
    assert logged_in(gateway) == [(ACCOUNT_ID, True)]

    gateway.output("login", "codex", "--device")
    assert logged_in(gateway) == [(ACCOUNT, True)]


def test_a_login_of_before_stays_beside_that_of_another_person(
    gateway: GatewayCommand, backend: BackendState
) -> None:
    store = FileStore(gateway.home / "credentials")
    store.put(credential_of(backend.log_in(ACCOUNT_ID)))
    backend.add_account(Account(ACCOUNT_ID, email="bob@example.com", user_id="user-bob"))
    gateway.output("login", "codex", "--device")
    assert logged_in(gateway) == [(ACCOUNT_ID, False), (BOBS, True)]


async def test_a_shared_file_that_belongs_to_a_colleague_now_is_left_alone(
    backend: BackendState, http: httpx.AsyncClient, settings: CodexSettings, tmp_path: Path
) -> None:
    owner = OwnerFile(tmp_path / "auth.json")
    ours = credential_of(backend.log_in(ACCOUNT_ID, lifetime=60), shared=owner)
    fresh_of_ann = backend.log_in(ACCOUNT_ID)
    backend.add_account(Account(ACCOUNT_ID, email="bob@example.com", user_id="user-bob"))
    document = owner_document(backend.log_in(ACCOUNT_ID))
    owner.write(document)
    backend.add_account(Account(ACCOUNT_ID, email="ann@example.com"))

    fresh = await refresh(ours, http, settings)
    assert fresh.access_token.get_secret_value() != fresh_of_ann.access
    assert owner.read() == document
