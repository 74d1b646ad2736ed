"""The logins of Cursor's command line and IDE: copied on request, never written."""

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway_core import LoginRequired
from gateway_cursor.importer import cli_places, ide_place, import_login
from support.cursor_samples import CLAIMS, jwt

CLI_FILE = {"accessToken": jwt("fake-access"), "refreshToken": jwt("fake-refresh"), "apiKey": None}
IDE_ROWS = {
    "cursorAuth/accessToken": jwt("fake-access"),
    "cursorAuth/refreshToken": jwt("fake-refresh"),
    "cursorAuth/cachedEmail": "dev@example.com",
    "cursorAuth/stripeMembershipType": "pro",
    "someone/elses": "business",
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with nothing in it."""
    for name in ("CURSOR_CONFIG_DIR", "XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    return tmp_path


def written(path: Path, document: object) -> Path:
    """A file of the command line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def filled(path: Path, rows: Mapping[str, object]) -> Path:
    """A database of the IDE, which has closed it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE ItemTable (key TEXT UNIQUE ON CONFLICT REPLACE, value BLOB)")
        database.executemany("INSERT INTO ItemTable VALUES (?, ?)", rows.items())
    return path


# The command line


def test_the_login_of_the_command_line_is_copied(tmp_path: Path) -> None:
    path = written(tmp_path / "auth.json", CLI_FILE)
    credential = import_login(path)
    assert (credential.provider, credential.account) == ("cursor", CLAIMS["sub"])
    assert credential.access_token.get_secret_value() == CLI_FILE["accessToken"]
    assert credential.refresh_token is not None
    assert credential.refresh_token.get_secret_value() == CLI_FILE["refreshToken"]
    assert credential.expires_at == datetime.fromtimestamp(CLAIMS["exp"], UTC)
    assert credential.extra == {"kind": "session", "imported_from": str(path)}


def test_a_key_renews_a_login_that_has_one(tmp_path: Path) -> None:
    path = written(tmp_path / "auth.json", {**CLI_FILE, "apiKey": "crsr_fixture"})
    credential = import_login(path)
    assert credential.extra["kind"] == "key"
    assert credential.refresh_token is not None
    assert credential.refresh_token.get_secret_value() == "crsr_fixture"


@pytest.mark.parametrize("key", ["crsr_fixture", "key_fixture"])
def test_a_key_alone_is_never_sent_before_it_was_exchanged(tmp_path: Path, key: str) -> None:
    path = written(tmp_path / "auth.json", {"accessToken": None, "apiKey": key})
    credential = import_login(path)
    assert credential.extra["kind"] == "key"
    assert credential.expires_at == datetime.fromtimestamp(0, UTC)


def test_without_a_source_the_usual_place_counts(home: Path) -> None:
    path = written(cli_places()[0], CLI_FILE)
    assert import_login(None).extra["imported_from"] == str(path)


def test_a_folder_is_searched(tmp_path: Path) -> None:
    path = written(tmp_path / "auth.json", CLI_FILE)
    assert import_login(tmp_path).extra["imported_from"] == str(path)


def test_the_program_is_told_where_it_keeps_its_files(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CURSOR_CONFIG_DIR", str(home / "elsewhere"))
    written(home / "elsewhere" / "auth.json", CLI_FILE)
    assert import_login(Path("cli")).account == CLAIMS["sub"]


@pytest.mark.parametrize(
    ("platform", "place"),
    [
        ("linux", ".config/cursor/auth.json"),
        ("darwin", ".cursor/auth.json"),
        ("win32", "AppData/Roaming/Cursor/auth.json"),
    ],
)
def test_each_system_has_its_place(home: Path, platform: str, place: str) -> None:
    assert cli_places(platform)[0] == home / place


# The IDE


def test_the_login_of_the_ide_is_copied(home: Path) -> None:
    path = filled(ide_place(), IDE_ROWS)
    credential = import_login(Path("desktop"))
    assert (credential.account, credential.label) == (CLAIMS["sub"], "dev@example.com")
    assert credential.access_token.get_secret_value() == IDE_ROWS["cursorAuth/accessToken"]
    assert credential.extra == {"kind": "session", "imported_from": str(path)}


def test_what_the_ide_has_just_written_counts(tmp_path: Path) -> None:
    path = filled(tmp_path / "state.vscdb", IDE_ROWS)
    with closing(sqlite3.connect(path)) as ide:
        ide.execute("PRAGMA wal_autocheckpoint = 0")
        ide.execute(
            "UPDATE ItemTable SET value = ? WHERE key = 'cursorAuth/accessToken'",
            (jwt("fake-access-2"),),
        )
        ide.commit()
        assert path.with_name("state.vscdb-wal").stat().st_size > 0
        assert import_login(path).access_token.get_secret_value() == jwt("fake-access-2")


def test_what_the_ide_is_about_to_write_does_not_count_yet(tmp_path: Path) -> None:
    path = filled(tmp_path / "state.vscdb", IDE_ROWS)
    with closing(sqlite3.connect(path, isolation_level=None)) as ide:
        ide.execute("PRAGMA journal_mode = DELETE")
        ide.execute("BEGIN IMMEDIATE")
        ide.execute("UPDATE ItemTable SET value = 'half'")
        assert path.with_name("state.vscdb-journal").exists()
        credential = import_login(path)
    assert credential.access_token.get_secret_value() == IDE_ROWS["cursorAuth/accessToken"]


def test_a_database_that_the_ide_has_closed_is_left_as_it_was(tmp_path: Path) -> None:
    path = filled(tmp_path / "state.vscdb", IDE_ROWS)
    before = path.read_bytes()
    import_login(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.vscdb"]
    assert path.read_bytes() == before


@pytest.mark.parametrize("form", [str.encode, json.dumps])
def test_values_may_be_bytes_or_json(tmp_path: Path, form: object) -> None:
    assert callable(form)
    rows = {key: form(value) for key, value in IDE_ROWS.items()}
    credential = import_login(filled(tmp_path / "state.vscdb", rows))
    assert (credential.account, credential.label) == (CLAIMS["sub"], "dev@example.com")


def test_whichever_program_has_a_login_is_found(home: Path) -> None:
    filled(ide_place(), IDE_ROWS)
    assert import_login(Path("auto")).extra["imported_from"].endswith("state.vscdb")
    written(cli_places()[0], CLI_FILE)
    assert import_login(Path("auto")).extra["imported_from"].endswith("auth.json")


@pytest.mark.parametrize(
    ("platform", "place"),
    [
        ("linux", ".config/Cursor"),
        ("darwin", "Library/Application Support/Cursor"),
        ("win32", "AppData/Roaming/Cursor"),
    ],
)
def test_each_system_has_its_database(home: Path, platform: str, place: str) -> None:
    assert ide_place(platform) == home / place / "User" / "globalStorage" / "state.vscdb"


# What is no login


def test_where_nothing_is_it_says_what_to_do(home: Path) -> None:
    for source, words in (("cli", "cursor-agent login"), ("desktop", "log in with Cursor")):
        with pytest.raises(LoginRequired, match=words) as raised:
            import_login(Path(source))
        assert "gateway login cursor" in raised.value.message


@pytest.mark.parametrize("document", [{}, {"accessToken": ""}, {"accessToken": 7, "apiKey": None}])
def test_a_file_without_a_login_says_so(tmp_path: Path, document: object) -> None:
    with pytest.raises(LoginRequired, match="holds no login"):
        import_login(written(tmp_path / "auth.json", document))


@pytest.mark.parametrize("document", [["fake-access"], "fake-access"])
def test_a_file_of_another_kind_is_not_quoted(tmp_path: Path, document: object) -> None:
    with pytest.raises(LoginRequired, match="neither") as raised:
        import_login(written(tmp_path / "auth.json", document))
    assert "fake-access" not in str(raised.value)
    assert raised.value.__context__ is None


def test_a_file_that_is_too_large_to_be_one_is_not_read(tmp_path: Path) -> None:
    path = written(tmp_path / "auth.json", {**CLI_FILE, "more": "x" * 2_000_000})
    with pytest.raises(LoginRequired, match="neither"):
        import_login(path)


def test_a_place_that_is_closed_to_us_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(path: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_dir", closed)
    with pytest.raises(LoginRequired, match=r"cannot read .*: Permission denied"):
        import_login(tmp_path / "auth.json")


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.vscdb"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE other (key TEXT)")
    with pytest.raises(LoginRequired, match="cannot be read"):
        import_login(path)
