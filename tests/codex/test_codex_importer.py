"""Taking over the login of Codex CLI."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway_codex.importer import import_login
from gateway_codex.settings import CodexSettings
from gateway_core import JsonObject, LoginRequired
from simulators.codex.state import Account, BackendState, Tokens
from support.codex_logins import ACCOUNT, ACCOUNT_ID, owner_document, unsigned_jwt

SETTINGS = CodexSettings()


@pytest.fixture
def tokens() -> Tokens:
    state = BackendState()
    state.add_account(Account(ACCOUNT_ID, email="ann@example.com"))
    return state.log_in(ACCOUNT_ID)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a person who never used Codex CLI."""
    monkeypatch.delenv("CODEX_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    return tmp_path


def written(path: Path, document: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def refused(path: Path, document: object) -> str:
    """Why a document is not imported."""
    with pytest.raises(LoginRequired) as caught:
        import_login(written(path, document), SETTINGS)
    return caught.value.message


def test_the_login_is_taken_from_the_usual_place(tokens: Tokens, home: Path) -> None:
    path = written(home / ".codex" / "auth.json", owner_document(tokens))
    credential = import_login(None, SETTINGS)

    assert credential.key == ("codex", ACCOUNT)
    assert credential.label == "ann@example.com"
    assert credential.access_token.get_secret_value() == tokens.access
    assert credential.refresh_token is not None
    assert credential.refresh_token.get_secret_value() == tokens.refresh
    assert credential.secrets["id_token"].get_secret_value() == tokens.id
    assert credential.extra == {"imported_from": str(path)}
    assert credential.expires_at is not None and credential.expires_at > datetime.now(UTC)


def test_codex_home_names_another_place(
    tokens: Tokens, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(home / "elsewhere" / "auth.json", owner_document(tokens))
    monkeypatch.setenv("CODEX_HOME", str(home / "elsewhere"))
    assert import_login(None, SETTINGS).account == ACCOUNT


def test_a_place_that_cannot_be_looked_at_is_no_login(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of somebody else's is one; this is another, for whoever runs the tests as root."""
    monkeypatch.setenv("CODEX_HOME", str(home / ("x" * 300)))
    with pytest.raises(LoginRequired, match=r"cannot read .*auth\.json"):
        import_login(None, SETTINGS)


def test_a_folder_or_a_file_may_be_named(tokens: Tokens, home: Path) -> None:
    path = written(home / "copy" / "auth.json", owner_document(tokens))
    assert import_login(path.parent, SETTINGS) == import_login(path, SETTINGS)
    assert import_login(Path("~/copy"), SETTINGS) == import_login(path, SETTINGS)


def test_a_file_may_have_any_name(tokens: Tokens, home: Path) -> None:
    path = written(home / "backup", owner_document(tokens))
    assert import_login(path, SETTINGS).extra == {"imported_from": str(path)}


def test_the_file_is_only_read(tokens: Tokens, home: Path) -> None:
    path = written(home / ".codex" / "auth.json", owner_document(tokens))
    before = path.read_bytes()
    import_login(None, SETTINGS)
    assert path.read_bytes() == before


def test_an_older_file_does_not_say_its_mode(tokens: Tokens, home: Path) -> None:
    document = owner_document(tokens)
    del document["auth_mode"]
    assert import_login(written(home / "auth.json", document), SETTINGS).account == ACCOUNT


def test_a_missing_account_id_is_read_from_the_tokens(tokens: Tokens, home: Path) -> None:
    document = owner_document(tokens)
    document["tokens"]["account_id"] = None
    assert import_login(written(home / "auth.json", document), SETTINGS).account == ACCOUNT


AUTH = "https://api.openai.com/auth"


@pytest.mark.parametrize(
    "claims",
    [
        {AUTH: {"chatgpt_account_id": "a-1", "organizations": [{"id": "org-1"}]}},
        {"chatgpt_account_id": "a-1"},
        {f"{AUTH}.chatgpt_account_id": "a-1"},
        {AUTH: {"organizations": [{"title": "no id"}, {"id": "a-1"}]}},
        {"organizations": [{"id": "a-1"}]},
    ],
)
def test_the_account_is_named_at_several_places(claims: JsonObject, home: Path) -> None:
    tokens = {"access_token": unsigned_jwt(claims)}
    document = {"auth_mode": "chatgpt", "tokens": tokens}
    assert import_login(written(home / "auth.json", document), SETTINGS).account == "a-1"


def test_the_id_token_is_asked_before_the_access_token(home: Path) -> None:
    tokens = {
        "access_token": unsigned_jwt(
            {
                "chatgpt_account_id": "second",
                "https://api.openai.com/profile": {"email": "second@example.com"},
            }
        ),
        "id_token": unsigned_jwt({"chatgpt_account_id": "first"}),
    }
    document = {"auth_mode": "chatgpt", "tokens": tokens}
    credential = import_login(written(home / "auth.json", document), SETTINGS)
    assert (credential.account, credential.label) == ("first", "second@example.com")


@pytest.mark.parametrize("end", [1e300, "soon", None])
def test_an_end_that_is_no_time_is_not_believed(end: object, home: Path) -> None:
    tokens = {"access_token": unsigned_jwt({"chatgpt_account_id": "a-1", "exp": end})}
    document = {"tokens": tokens, "last_refresh": "2026-05-02T10:00:00"}
    credential = import_login(written(home / "auth.json", document), SETTINGS)
    assert credential.expires_at == datetime(2026, 5, 10, 10, tzinfo=UTC)


def test_a_token_that_tells_no_end_counts_from_the_last_refresh(tokens: Tokens, home: Path) -> None:
    document = owner_document(tokens)
    document["tokens"]["access_token"] = "opaque"
    credential = import_login(written(home / "auth.json", document), SETTINGS)
    assert credential.expires_at == datetime(2026, 5, 10, 10, 0, 0, 123456, UTC)


def test_without_a_file_both_ways_out_are_named(home: Path) -> None:
    with pytest.raises(LoginRequired) as caught:
        import_login(None, SETTINGS)
    message = caught.value.message
    assert f"there is no {home / '.codex' / 'auth.json'}" in message
    assert "`codex login`" in message
    assert 'cli_auth_credentials_store = "file"' in message
    assert "`gateway login codex`" in message


@pytest.mark.parametrize(
    "document",
    [
        {"auth_mode": "apikey", "OPENAI_API_KEY": "sk-canary"},
        {"OPENAI_API_KEY": "sk-canary", "tokens": None},
    ],
)
def test_an_api_key_is_no_chatgpt_login(document: JsonObject, home: Path) -> None:
    message = refused(home / "auth.json", document)
    assert "holds an API key, no ChatGPT login" in message
    assert "canary" not in message


def test_another_kind_of_login_is_named(home: Path) -> None:
    message = refused(home / "auth.json", {"auth_mode": "chatgptAuthTokens", "tokens": {}})
    assert "'chatgptAuthTokens', which cannot be shared" in message


@pytest.mark.parametrize("tokens", [None, [], {}, {"access_token": ""}, {"access_token": 5}])
def test_a_file_without_tokens_asks_for_a_login(tokens: object, home: Path) -> None:
    message = refused(home / "auth.json", {"auth_mode": "chatgpt", "tokens": tokens})
    assert "holds no login: run `codex login` first" in message


def test_tokens_without_an_account_are_refused(home: Path) -> None:
    tokens = {"access_token": unsigned_jwt({"sub": "x"}), "refresh_token": "rt_1"}
    message = refused(home / "auth.json", {"auth_mode": "chatgpt", "tokens": tokens})
    assert "names no ChatGPT account" in message


@pytest.mark.parametrize("content", [b"canary", b'["canary"]', b'{"tokens": "canary', b"\xff\x00"])
def test_a_damaged_file_is_not_quoted(content: bytes, home: Path) -> None:
    path = home / "auth.json"
    path.write_bytes(content)
    with pytest.raises(LoginRequired, match="holds no JSON object") as caught:
        import_login(path, SETTINGS)
    error = caught.value
    assert "canary" not in f"{error!r} {error.__cause__!r} {error.__context__!r}"
