"""Edits of the settings file: comments and order stay, and the result is what was asked for."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_core.settings_file import SettingsError, TomlFile, dotted, parse_key, toml_value

FILE = Path("config.toml")
TEXT = """\
# my settings

[server]           # where
bind = [           # two of them
  "127.0.0.1:1",
  "127.0.0.1:2",   # the second
]

# times
[timeouts]
idle = 30  # "short" # enough

[routing.aliases]
"gpt-5.5" = "a # b"

[providers]
demo = { delay_ms = 5, region = "eu" }
"""


@pytest.fixture
def file() -> TomlFile:
    return TomlFile(TEXT, FILE)


def test_a_changed_value_keeps_its_comment(file: TomlFile) -> None:
    edited = file.with_value(("timeouts", "idle"), 60)
    assert edited.text == TEXT.replace("idle = 30 ", "idle = 60 ")


def test_a_list_over_several_lines_becomes_one_line(file: TomlFile) -> None:
    edited = file.with_value(("server", "bind"), ["[::1]:3"])
    assert 'bind = ["[::1]:3"]\n\n# times' in edited.text


def test_a_new_key_goes_to_the_end_of_its_table(file: TomlFile) -> None:
    edited = file.with_value(("timeouts", "total"), 90)
    assert "# enough\ntotal = 90\n\n[routing.aliases]" in edited.text


def test_a_new_table_goes_to_the_end(file: TomlFile) -> None:
    edited = file.with_value(("log", "level"), "debug")
    assert edited.text == f'{TEXT}\n[log]\nlevel = "debug"\n'


def test_a_key_inside_an_inline_table_is_changed_in_place(file: TomlFile) -> None:
    edited = file.with_value(("providers", "demo", "delay_ms"), 7)
    assert 'demo = { delay_ms = 7, region = "eu" }' in edited.text


def test_a_key_may_need_quotes(file: TomlFile) -> None:
    edited = file.with_value(("routing", "aliases", "claude-3.5"), "x")
    assert edited.data["routing"]["aliases"] == {"gpt-5.5": "a # b", "claude-3.5": "x"}
    assert '"claude-3.5" = "x"' in edited.text


def test_dotted_keys_at_the_top_are_continued() -> None:
    edited = TomlFile('server.bind = "a"\n[log]\n', FILE).with_value(("server", "api_key"), "k")
    assert edited.text == 'server.bind = "a"\nserver.api_key = "k"\n[log]\n'


def test_windows_line_ends_stay() -> None:
    edited = TomlFile("[log]\r\nlevel = 'info'\r\n", FILE).with_value(("log", "file"), True)
    assert edited.text == "[log]\r\nlevel = 'info'\r\nfile = true\r\n"


def test_a_last_line_without_an_end_is_completed() -> None:
    edited = TomlFile("[log]\nlevel = 'info'", FILE).with_value(("log", "file"), True)
    assert edited.text == "[log]\nlevel = 'info'\nfile = true\n"


@pytest.mark.parametrize(
    ("path", "gone"),
    [
        (("timeouts", "idle"), 'idle = 30  # "short" # enough\n'),
        (("providers", "demo"), 'demo = { delay_ms = 5, region = "eu" }\n'),
        (("routing",), '[routing.aliases]\n"gpt-5.5" = "a # b"\n'),
    ],
)
def test_a_removed_key_or_table_leaves_the_rest(
    file: TomlFile, path: tuple[str, ...], gone: str
) -> None:
    assert file.without(path).text == TEXT.replace(gone, "")


def test_a_key_is_removed_from_an_inline_table(file: TomlFile) -> None:
    edited = file.without(("providers", "demo", "region"))
    assert edited.data["providers"] == {"demo": {"delay_ms": 5}}


def test_removing_what_is_not_there_changes_nothing(file: TomlFile) -> None:
    assert file.without(("log", "level")) is file


def test_a_value_cannot_be_put_below_a_value(file: TomlFile) -> None:
    with pytest.raises(SettingsError, match="inside something that is no table"):
        file.with_value(("timeouts", "idle", "more"), 1)


def test_what_the_editor_does_not_understand_is_refused_not_damaged() -> None:
    file = TomlFile("[[providers]]\na = 1\n", FILE)
    with pytest.raises(SettingsError):
        file.with_value(("providers", "a"), 2)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("server",), 3),
        (("server", "bind"), 4),
        (("timeouts", "idle"), 11),
        (("routing", "aliases", "gpt-5.5"), 14),
        (("providers", "demo", "region"), 17),
        (("log", "level"), None),
    ],
)
def test_lines_are_known(file: TomlFile, path: tuple[str, ...], line: int | None) -> None:
    assert file.line_of(path) == line


def test_multi_line_strings_hold_no_keys() -> None:
    file = TomlFile('a = """\n[b]\nc = 1\n"""\nd = 2\n', FILE)
    assert (file.line_of(("a",)), file.line_of(("b",)), file.line_of(("d",))) == (1, None, 5)


keys = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=6)
values = st.recursive(
    st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)


@given(values)
def test_every_value_is_written_as_toml_reads_it(value: object) -> None:
    assert tomllib.loads(f"value = {toml_value(value)}") == {"value": value}


@given(st.lists(keys, min_size=1, max_size=3))
def test_every_path_can_be_written_and_read(path: list[str]) -> None:
    assert parse_key(dotted(tuple(path))) == tuple(path)


@given(keys, keys, values, values)
def test_a_second_edit_finds_what_the_first_one_wrote(
    table: str, key: str, first: object, second: object
) -> None:
    path = (table, key)
    file = TomlFile(TEXT, FILE).with_value(path, first).with_value(path, second)
    assert file.data[table][key] == second or second == {}
    assert file.data["timeouts"]["idle"] == (second if path == ("timeouts", "idle") else 30)
