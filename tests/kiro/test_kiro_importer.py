"""Taking over the logins of Kiro's command line and IDE."""

import json
import sqlite3
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from gateway_core import Credential, JsonObject, LoginRequired
from gateway_kiro.cli_store import cli_places
from gateway_kiro.documents import parse_time
from gateway_kiro.identity import api_region, profile_arn
from gateway_kiro.importer import import_login, is_shared, read_owner, write_back
from gateway_kiro.settings import KiroSettings
from support.about import each
from support.kiro_asking import ARN, document
from support.kiro_stores import cli_store, ide_store, rows_of

STORES = document("cli-auth-kv")
VARIANTS: dict[str, JsonObject] = STORES["variants"]
IDE = {kind: document(f"ide-kiro-auth-token.{kind}") for kind in ("social", "idc", "external-idp")}
REGISTRATION = document("ide-client-registration")
OVERRIDES = ("KIROCLI_DB_PATH", "KIRO_CLI_DB_FILE", "KIROCLI_TOKEN_KEY", "KIRO_AUTH_FILE")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a person who never used Kiro."""
    for name in (*OVERRIDES, "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    return tmp_path


def access(credential: Credential) -> str:
    return credential.access_token.get_secret_value()


def usual_cli(home: Path, variant: str) -> Path:
    return cli_store(home / ".local/share/kiro-cli/data.sqlite3", VARIANTS[variant])


def usual_ide(home: Path, kind: str) -> Path:
    return ide_store(home / ".aws" / "sso" / "cache", IDE[kind], REGISTRATION)


# The command line


@pytest.mark.parametrize("name", VARIANTS)
def test_a_documented_store_is_read_as_documented(name: str, tmp_path: Path) -> None:
    variant = VARIANTS[name]
    path = cli_store(tmp_path / "data.sqlite3", variant)
    credential = import_login(path)

    expected = variant["expect"]
    assert credential.extra["kind"] == expected["auth"]
    for key in ("sso_region", "profile_arn"):
        if expected.get(key) is not None and (key, expected["auth"]) != ("sso_region", "social"):
            assert credential.extra[key] == expected[key]
    if "profile_arn" in expected and expected["profile_arn"] is None:
        assert "profile_arn" not in credential.extra
    if "api_region" in expected:
        assert api_region(credential, KiroSettings()) == expected["api_region"]
    (token,) = (value for key, value in variant["auth_kv"].items() if key.endswith(":token"))
    assert access(credential) == token["access_token"]
    assert credential.expires_at == parse_time(token["expires_at"])
    assert is_shared(credential)


@pytest.mark.parametrize("tail", ["profile/A\r\nx-evil: 1", "profile/", "", "profile/A/../B"])
def test_what_is_no_profile_is_not_taken_for_one(tail: str, tmp_path: Path) -> None:
    arn = f"arn:aws:codewhisperer:us-east-1:111122223333:{tail}"
    path = ide_store(tmp_path, {**IDE["social"], "profileArn": arn})
    assert "profile_arn" not in import_login(path).extra


def test_a_token_is_paired_with_the_registration_of_its_own_kind(tmp_path: Path) -> None:
    path = cli_store(tmp_path / "d.sqlite3", VARIANTS["social-with-stray-registration"])
    assert import_login(path).secrets == {}


def test_a_token_without_its_registration_cannot_be_renewed(tmp_path: Path) -> None:
    tokens = {
        key: value
        for key, value in VARIANTS["builder-id"]["auth_kv"].items()
        if key.endswith(":token")
    }
    path = cli_store(tmp_path / "d.sqlite3", {"auth_kv": tokens})
    with pytest.raises(LoginRequired, match="lacks the registration"):
        import_login(path)


def test_of_several_logins_the_one_that_lasts_longest_is_taken(tmp_path: Path) -> None:
    both = {**VARIANTS["social"]["auth_kv"], **VARIANTS["identity-center"]["auth_kv"]}
    path = cli_store(tmp_path / "a.sqlite3", {"auth_kv": both})
    assert import_login(path).extra["kind"] == "social"  # of equals the first kind
    later = {**both["kirocli:odic:token"], "expires_at": "2026-01-01T02:00:00Z"}
    path = cli_store(tmp_path / "b.sqlite3", {"auth_kv": {**both, "kirocli:odic:token": later}})
    assert import_login(path).extra["kind"] == "idc"


def test_a_key_may_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = {**VARIANTS["social"]["auth_kv"], **VARIANTS["identity-center"]["auth_kv"]}
    path = cli_store(tmp_path / "d.sqlite3", {"auth_kv": both})
    monkeypatch.setenv("KIROCLI_TOKEN_KEY", "kirocli:odic:token")
    assert access(import_login(path)) == "fake-access-idc-9"
    monkeypatch.setenv("KIROCLI_TOKEN_KEY", "kirocli:nothing")
    with pytest.raises(LoginRequired, match="no login under 'kirocli:nothing'"):
        import_login(path)


def test_the_store_is_only_read(tmp_path: Path) -> None:
    path = cli_store(tmp_path / "d.sqlite3", VARIANTS["social"])
    before = path.read_bytes()
    import_login(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["d.sqlite3"]


@pytest.mark.parametrize("tables", [[], ["CREATE TABLE auth_kv (key TEXT, value TEXT)"]])
def test_an_empty_store_asks_for_a_login(tables: list[str], tmp_path: Path) -> None:
    path = tmp_path / "d.sqlite3"
    with sqlite3.connect(path) as database:
        for table in (*tables, "CREATE TABLE other (x TEXT)"):
            database.execute(table)
    database.close()
    with pytest.raises(LoginRequired, match="run `kiro-cli login` first"):
        import_login(path)


def test_where_the_store_is_depends_on_the_system(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def places(platform: str) -> list[str]:
        return [path.as_posix() for path in cli_places(platform)]

    root = home.as_posix()
    assert places("linux")[0] == f"{root}/.local/share/kiro-cli/data.sqlite3"
    assert places("linux")[-1] == f"{root}/.local/share/amazon-q/data.sqlite3"
    monkeypatch.setenv("XDG_DATA_HOME", f"{root}/data")
    assert places("linux")[0] == f"{root}/data/kiro-cli/data.sqlite3"
    folder = f"{root}/Library/Application Support"
    assert places("darwin")[0] == f"{folder}/kiro-cli/data.sqlite3"
    monkeypatch.setenv("LOCALAPPDATA", f"{root}/local")
    monkeypatch.setenv("APPDATA", f"{root}/roaming")
    assert places("win32")[0] == f"{root}/local/Kiro-Cli/data.sqlite3"
    assert f"{root}/roaming/kiro-cli/data.sqlite3" in places("win32")
    monkeypatch.setenv("KIROCLI_DB_PATH", f"{root}/mine.db")
    assert places("linux") == [f"{root}/mine.db"]


# The IDE


def test_a_social_login_of_the_ide_names_its_profile(tmp_path: Path) -> None:
    credential = import_login(ide_store(tmp_path, IDE["social"]))
    assert access(credential) == "fake-access-1"
    assert profile_arn(credential, KiroSettings()) == ARN
    assert credential.expires_at == datetime(2026, 1, 1, 1, tzinfo=UTC)
    assert credential.label == "Kiro IDE (Google)"


def test_a_login_of_aws_has_its_registration_beside_it(tmp_path: Path) -> None:
    credential = import_login(ide_store(tmp_path, IDE["idc"], REGISTRATION))
    assert credential.extra["client_id"] == "fake-client-id"
    assert credential.secrets["client_secret"].get_secret_value() == "fake-client-secret"
    assert credential.label == "Kiro IDE (AWS Builder ID)"


def test_without_its_registration_it_is_of_no_use(tmp_path: Path) -> None:
    with pytest.raises(LoginRequired, match="lacks the registration"):
        import_login(ide_store(tmp_path, IDE["idc"]))


@pytest.mark.parametrize("name", ["../../secrets", "a/b", "", "x" * 200, "a.json"])
def test_a_registration_is_looked_for_nowhere_else(name: str, tmp_path: Path) -> None:
    path = ide_store(tmp_path, {**IDE["idc"], "clientIdHash": name})
    with pytest.raises(LoginRequired, match=r"strange registration|lacks the registration"):
        import_login(path)


def test_a_login_of_an_organisations_own_provider_is_known_by_its_endpoint(tmp_path: Path) -> None:
    credential = import_login(ide_store(tmp_path, IDE["external-idp"]))
    assert credential.extra["kind"] == "external_idp"
    assert credential.extra["token_endpoint"].startswith("https://login.example.com/")
    assert credential.extra["client_id"] == "fake-idp-client"


def test_the_profile_that_was_chosen_in_the_ide_is_taken(home: Path) -> None:
    token = {**IDE["idc"], "provider": "Enterprise", "startUrl": "https://d-1.awsapps.com/start"}
    ide_store(home / ".aws" / "sso" / "cache", token, REGISTRATION)
    chosen = home / ".config/Kiro/User/globalStorage/kiro.kiroagent/profile.json"
    chosen.parent.mkdir(parents=True)
    chosen.write_text(json.dumps({"arn": ARN, "name": "team"}))
    assert import_login(Path("desktop")).extra["profile_arn"] == ARN


# Which of them


def test_without_a_word_the_command_line_is_meant(home: Path) -> None:
    usual_cli(home, "social")
    usual_ide(home, "idc")
    assert import_login(None).label == "Kiro CLI (Google)"
    assert import_login(Path("cli")).label == "Kiro CLI (Google)"
    assert import_login(Path("desktop")).label == "Kiro IDE (AWS Builder ID)"


def test_auto_takes_the_command_line_and_then_the_ide(home: Path) -> None:
    usual_ide(home, "social")
    assert import_login(Path("auto")).label == "Kiro IDE (Google)"
    usual_cli(home, "builder-id")
    assert import_login(Path("auto")).label == "Kiro CLI (AWS Builder ID)"


def test_an_import_looks_at_nothing_that_was_not_named(home: Path) -> None:
    usual_ide(home, "social")
    with pytest.raises(LoginRequired, match=r"`gateway import kiro --from desktop`"):
        import_login(None)


def test_a_place_may_be_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = ide_store(home / "copy", IDE["social"])
    assert access(import_login(path)) == "fake-access-1"
    assert access(import_login(Path("~/copy"))) == "fake-access-1"
    monkeypatch.setenv("KIRO_AUTH_FILE", str(path))
    assert access(import_login(Path("desktop"))) == "fake-access-1"


def test_a_place_that_cannot_be_looked_at_is_no_login(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of somebody else's is one; this is another, for whoever runs the tests as root."""
    monkeypatch.setenv("KIROCLI_DB_PATH", str(home / ("x" * 300)))
    with pytest.raises(LoginRequired, match=r"cannot read .*xx"):
        import_login(None)


def test_the_same_place_is_the_same_account_and_another_place_another(home: Path) -> None:
    one, other = (ide_store(home / name, IDE["social"]) for name in ("a", "b"))
    assert import_login(one).account == import_login(one).account
    assert import_login(one).account != import_login(other).account


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"canary", "holds no JSON object"),
        (b'["canary"]', "holds no JSON object"),
        (b'{"refreshToken": "canary"}', "holds no login"),
        (b'{"accessToken": "a", "refreshToken": "canary..."}', "was cut off"),
        (b"SQLite format 3\0canary", "cannot be read|cannot open"),
    ],
)
def test_a_damaged_file_is_not_quoted(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "kiro-auth-token.json"
    path.write_bytes(content)
    with pytest.raises(LoginRequired, match=words) as caught:
        import_login(path)
    error = caught.value
    assert "canary" not in f"{error!r} {error.__cause__!r} {error.__context__!r}"


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LoginRequired, match=r"there is no .*nothing\.json"):
        import_login(tmp_path / "nothing.json")


def test_an_api_key_is_known_by_its_beginning(tmp_path: Path) -> None:
    credential = import_login(ide_store(tmp_path, {"accessToken": "ksk_x", "refreshToken": "r"}))
    assert (credential.extra["kind"], credential.refresh_token) == ("api_key", None)


@each(
    "value, time",
    [
        ("2026-01-01T01:00:00.123456789Z", datetime(2026, 1, 1, 1, 0, 0, 123456, UTC)),
        ("2026-01-01T01:00:00.5+00:00", datetime(2026, 1, 1, 1, 0, 0, 500000, UTC)),
        ("2026-01-01T01:00:00", datetime(2026, 1, 1, 1, tzinfo=UTC)),
        (1767229200, datetime(2026, 1, 1, 1, tzinfo=UTC)),
        (1767229200000, datetime(2026, 1, 1, 1, tzinfo=UTC)),
        ("1767229200", datetime(2026, 1, 1, 1, tzinfo=UTC)),
        ("soon", None),
        (True, None),
        (1e30, None),
        (None, None),
    ],
)
def test_times_are_written_in_many_ways(value: object, time: datetime | None) -> None:
    assert parse_time(value) == time


# Giving back


def renewed(credential: Credential) -> Credential:
    return credential.model_copy(
        update={
            "access_token": SecretStr("fake-access-2"),
            "refresh_token": SecretStr("fake-refresh-2"),
            "expires_at": datetime(2026, 1, 1, 1, 59, 30, tzinfo=UTC),
        }
    )


def test_the_command_line_gets_renewed_tokens_and_keeps_everything_else(tmp_path: Path) -> None:
    case = STORES["write_back"]
    key = "kirocli:social:token"
    other = VARIANTS["social-with-stray-registration"]["auth_kv"]
    variant = {"auth_kv": {**other, key: case["before"]}}
    path = cli_store(tmp_path / "d.sqlite3", variant)
    credential = import_login(path)
    write_back(credential, renewed(credential))
    assert rows_of(path) == {**other, key: case["after"]}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (1767229200, 1767232770),
        (1767229200000, 1767232770000),
        ("1767229200", "1767232770"),
        ("2026-01-01T01:00:00.000Z", "2026-01-01T01:59:30.000Z"),
    ],
)
def test_a_time_is_written_as_it_was(before: Any, after: Any, tmp_path: Path) -> None:
    path = ide_store(tmp_path, {**IDE["social"], "expiresAt": before, "future": {"k": 1}})
    path.chmod(0o644)
    credential = import_login(path)
    write_back(credential, renewed(credential))
    assert json.loads(path.read_text()) == {
        **IDE["social"],
        "accessToken": "fake-access-2",
        "refreshToken": "fake-refresh-2",
        "expiresAt": after,
        "future": {"k": 1},
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("program", ["cli", "ide"])
def test_a_store_that_moved_on_is_left_alone(program: str, tmp_path: Path) -> None:
    path = tmp_path / "store"
    tokens = {"access_token": "other", "refresh_token": "other"}
    if program == "cli":
        cli_store(path, VARIANTS["social"])
        credential = import_login(path)
        path.unlink()
        cli_store(path, {"auth_kv": {"kirocli:social:token": tokens}})
    else:
        path.write_text(json.dumps(IDE["social"]))
        credential = import_login(path)
        path.write_text(json.dumps(tokens))
    before = path.read_bytes()
    write_back(credential, renewed(credential))
    assert path.read_bytes() == before


@pytest.mark.parametrize("program", ["cli", "ide"])
def test_a_store_that_is_gone_is_no_trouble(
    program: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "store"
    if program == "cli":
        cli_store(path, VARIANTS["social"])
    else:
        path.write_text(json.dumps(IDE["social"]))
    credential = import_login(path)
    path.unlink()
    write_back(credential, renewed(credential))
    assert not path.exists()
    assert read_owner(credential) is None
    assert "fake-" not in caplog.text


def test_another_account_in_the_store_is_not_ours(tmp_path: Path) -> None:
    path = ide_store(tmp_path, IDE["social"])
    credential = import_login(path)
    assert read_owner(credential) is not None
    ide_store(tmp_path, {**IDE["social"], "provider": "Github"})
    assert read_owner(credential) is None
