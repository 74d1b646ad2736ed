"""The settings file as text: where each key stands, and edits that keep comments and order.

Knows TOML and nothing about which settings exist. An edit is accepted only when the edited text
parses to exactly the wanted data, so a file is never corrupted by one.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

__all__ = [
    "KeyPath",
    "SettingsError",
    "TomlFile",
    "dotted",
    "parse_key",
    "toml_value",
]

KeyPath: TypeAlias = tuple[str, ...]

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_DECODE_ERROR = re.compile(r"(?P<cause>.*) \(at (?:line (?P<line>\d+), column \d+|end of .*)\)")


class SettingsError(Exception):
    """Settings that cannot be used. The text says where (file and line, variable, or flag), what
    is wrong, and what was probably meant; it never holds a secret value.

    `file` and `line` are set when a file is at fault; `reason` is the text without them.
    """

    def __init__(self, message: str, *, file: Path | None = None, line: int | None = None) -> None:
        place = f"{file}:{line}: " if file and line else f"{file}: " if file else ""
        super().__init__(place + message)
        self.reason = message
        self.file = file
        self.line = line


def dotted(path: KeyPath) -> str:
    """The path as TOML writes it: `routing.aliases."gpt-5.5"`."""
    return ".".join(_toml_key(part) for part in path)


def parse_key(text: str) -> KeyPath:
    """The path that a dotted key means. Raises `SettingsError` when it is no key."""
    path = _key_path(text)
    if path is None:
        raise SettingsError(f"{text!r} is no setting name; write it like server.bind")
    return path


def toml_value(value: object) -> str:
    """A value as TOML writes it on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml_value(item) for item in value)}]"
    if isinstance(value, Mapping):
        items = (f"{_toml_key(str(key))} = {toml_value(item)}" for key, item in value.items())
        return f"{{ {', '.join(items)} }}" if value else "{}"
    raise TypeError(f"no TOML for {type(value).__name__}")


@dataclass(slots=True)
class _Entry:
    """A table header or an assignment: its full path, and its lines as a half-open range."""

    path: KeyPath
    start: int
    end: int
    header: bool


class TomlFile:
    """A TOML text, its data, and its lines. Raises `SettingsError` when it is malformed."""

    def __init__(self, text: str, file: Path) -> None:
        self.text = text
        self.file = file
        try:
            self.data: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise _malformed(error, text, file) from error
        self._newline = "\r\n" if "\r\n" in text else "\n"
        self._lines = re.findall(r"[^\n]*\n|[^\n]+", text)  # str.splitlines splits at more
        self._entries = list(_scan(self._lines))

    @classmethod
    def read(cls, file: Path) -> "TomlFile":
        """The file, or an empty one when there is none. Raises `SettingsError`."""
        try:
            text = file.read_bytes().decode("utf-8-sig")
        except (FileNotFoundError, NotADirectoryError):
            text = ""
        except UnicodeDecodeError as error:
            raise SettingsError("is not UTF-8 text", file=file) from error
        except OSError as error:
            raise SettingsError(f"cannot be read: {error.strerror}", file=file) from error
        return cls(text, file)

    def line_of(self, path: KeyPath) -> int | None:
        """The line, from 1, where the key or else its nearest enclosing table is written."""
        for length in range(len(path), 0, -1):
            for entry in self._entries:
                if entry.path[:length] == path[:length]:
                    return entry.start + 1
        return None

    def with_value(self, path: KeyPath, value: object) -> "TomlFile":
        """The file with the key set. Raises `SettingsError` when it is written in a way that this
        editor does not know (a table given as an array, say).
        """
        wanted = _with_value(self.data, path, value)
        if wanted is None:
            raise SettingsError(f"{dotted(path)} is inside something that is no table")
        return self._accept(self._settings_of(path, value), wanted, path)

    def without(self, path: KeyPath) -> "TomlFile":
        """The file without the key or table; the same when there is none."""
        wanted = _without(self.data, path)
        if wanted == self.data:
            return self
        return self._accept(self._removals_of(path), wanted, path)

    def _accept(self, texts: Iterator[str], wanted: dict[str, Any], path: KeyPath) -> "TomlFile":
        for text in texts:
            try:
                edited = TomlFile(text, self.file)
            except SettingsError:
                continue
            if _pruned(edited.data) == _pruned(wanted):
                return edited
        raise SettingsError(f"cannot change {dotted(path)} here; edit the file", file=self.file)

    def _settings_of(self, path: KeyPath, value: object) -> Iterator[str]:
        """Texts that may set the key, the least intrusive first."""
        for entry in self._entries:
            if not entry.header and entry.path == path[: len(entry.path)]:
                yield self._rewritten(entry, path, value)
        table, key = path[:-1], path[-1]
        assignment = f"{_toml_key(key)} = {toml_value(value)}{self._newline}"
        for index, entry in enumerate(self._entries):
            if entry.header and entry.path == table:
                yield self._inserted(self._table_end(index), assignment)
        gap = self._newline if self._lines else ""
        if table:
            block = f"{gap}[{dotted(table)}]{self._newline}{assignment}"
            yield self._inserted(len(self._lines), block)
        first_header = next((e.start for e in self._entries if e.header), len(self._lines))
        last = max((e.end for e in self._entries if e.end <= first_header), default=0)
        yield self._inserted(last, f"{dotted(path)} = {toml_value(value)}{self._newline}")

    def _removals_of(self, path: KeyPath) -> Iterator[str]:
        doomed: set[int] = set()
        for entry in self._entries:
            if entry.path[: len(path)] == path:
                doomed.update(range(entry.start, entry.end))
        if doomed:
            yield "".join(line for n, line in enumerate(self._lines) if n not in doomed)
        for entry in self._entries:  # inside an inline table
            if not entry.header and entry.path == path[: len(entry.path)]:
                rest = _without(_at(self.data, entry.path), path[len(entry.path) :])
                yield self._rewritten(entry, entry.path, rest)

    def _rewritten(self, entry: _Entry, path: KeyPath, value: object) -> str:
        """The text with an assignment's value replaced, its own key spelling and comment kept."""
        if entry.path != path:
            inner = _with_value(_at(self.data, entry.path), path[len(entry.path) :], value)
            value = inner if inner is not None else value
        source = "".join(self._lines[entry.start : entry.end])
        equals, _ = _split_key(source) or (0, ())
        comment = _comment(source, equals)
        line = f"{source[:equals].rstrip()} = {toml_value(value)}{comment}{self._newline}"
        return "".join([*self._lines[: entry.start], line, *self._lines[entry.end :]])

    def _inserted(self, position: int, block: str) -> str:
        before = "".join(self._lines[:position])
        if before and not before.endswith("\n"):
            before += self._newline
        return before + block + "".join(self._lines[position:])

    def _table_end(self, header: int) -> int:
        end = self._entries[header].end
        for entry in self._entries[header + 1 :]:
            if entry.header:
                break
            end = entry.end
        return end


def _scan(lines: list[str]) -> Iterator[_Entry]:
    """Headers and assignments of a text that is known to be valid TOML."""
    table: KeyPath = ()
    position = 0
    while position < len(lines):
        line = lines[position].strip()
        start, position = position, position + 1
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            table = _header_path(line)
            yield _Entry(table, start, position, header=True)
            continue
        source = lines[start]
        while not _parses(source) and position < len(lines):
            source += lines[position]
            position += 1
        _, path = _split_key(source) or (0, ())
        yield _Entry(table + path, start, position, header=False)


def _header_path(line: str) -> KeyPath:
    value: Any = tomllib.loads(line)
    path: list[str] = []
    while value:
        value = value[0] if isinstance(value, list) else value
        path.extend(value)  # one key each
        value = value[path[-1]] if value else None
    return tuple(path)


def _parses(source: str) -> bool:
    try:
        tomllib.loads(source)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _split_key(source: str) -> tuple[int, KeyPath] | None:
    """Where the `=` of an assignment is, and the path before it."""
    for match in re.finditer("=", source):
        path = _key_path(source[: match.start()])
        if path is not None:
            return match.start(), path
    return None


def _key_path(text: str) -> KeyPath | None:
    if "\n" in text:
        return None
    try:
        value: Any = tomllib.loads(f"{text} = 0")
    except tomllib.TOMLDecodeError:
        return None
    path: list[str] = []
    while isinstance(value, dict):
        if len(value) != 1:
            return None
        ((key, value),) = value.items()
        path.append(key)
    return tuple(path)


def _comment(source: str, equals: int) -> str:
    """The comment after an assignment's value, with the blanks before it."""
    whole = tomllib.loads(source)
    for match in re.finditer(r"[ \t]*#", source[equals:]):
        cut = equals + match.start()
        if _parses(source[:cut]) and tomllib.loads(source[:cut]) == whole:
            return source[cut:].rstrip("\r\n")
    return ""


def _toml_key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else toml_value(key)


def _at(data: dict[str, Any], path: KeyPath) -> dict[str, Any]:
    value: Any = data
    for key in path:
        value = value[key]
    return value if isinstance(value, dict) else {}


def _with_value(data: dict[str, Any], path: KeyPath, value: object) -> dict[str, Any] | None:
    """A copy with the key set; None when something on the way is no table."""
    key, rest = path[0], path[1:]
    if not rest:
        return {**data, key: value}
    inner = data.get(key, {})
    changed = _with_value(inner, rest, value) if isinstance(inner, dict) else None
    return None if changed is None else {**data, key: changed}


def _without(data: dict[str, Any], path: KeyPath) -> dict[str, Any]:
    key, rest = path[0], path[1:]
    if key not in data or (rest and not isinstance(data[key], dict)):
        return data
    kept = {name: item for name, item in data.items() if name != key}
    return {**data, key: _without(data[key], rest)} if rest else kept


def _pruned(data: dict[str, Any]) -> dict[str, Any]:
    """Without empty tables, which say nothing, and with tuples as the lists they are read as."""
    pruned: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, dict):
            if inner := _pruned(value):
                pruned[key] = inner
        else:
            pruned[key] = list(value) if isinstance(value, tuple) else value
    return pruned


def _malformed(error: tomllib.TOMLDecodeError, text: str, file: Path) -> SettingsError:
    match = _DECODE_ERROR.fullmatch(str(error))
    cause = match["cause"] if match else str(error)
    line = int(match["line"]) if match and match["line"] else text.rstrip().count("\n") + 1
    return SettingsError(f"is not valid TOML: {cause[:1].lower()}{cause[1:]}", file=file, line=line)
