"""`gateway config`: the settings, where each comes from, and edits of the file."""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import click
from pydantic import SecretStr

from gateway_core.cli.common import command_settings, echo_json
from gateway_core.cli.group import Failure
from gateway_core.paths import find_paths
from gateway_core.plugins import PluginSet
from gateway_core.private_files import write_private
from gateway_core.settings import (
    Settings,
    SettingsError,
    Tables,
    load_settings,
    local_key,
)
from gateway_core.settings_file import KeyPath, TomlFile, dotted, parse_key, toml_value
from gateway_core.settings_layers import is_declared, is_secret

__all__ = ["get_setting", "reset_settings", "set_setting", "show_key", "show_path", "show_settings"]

_MASK = "(secret)"
_OPTIONS = ("state", "options")


def show_settings(*, as_json: bool) -> None:
    """Print every setting with its origin; secrets are masked."""
    settings = command_settings()
    rows = list(_rows(settings))
    if as_json:
        echo_json(
            {
                dotted(path): {"value": value, "origin": origin or "default"}
                for path, value, origin in rows
            }
        )
        return
    width = max(len(dotted(path)) for path, _, _ in rows)
    for path, value, origin in rows:
        shown = "(not set)" if value is None else value if value == _MASK else toml_value(value)
        click.echo(f"{dotted(path):{width}}  {shown}" + (f"  # {origin}" if origin else ""))


def show_path() -> None:
    """Show where the settings file is (or would be)."""
    click.echo(find_paths().config_file)


def show_key() -> None:
    """Show the local key that clients must send; generated when there is none yet."""
    click.echo(local_key(command_settings()))


def get_setting(key: str) -> None:
    """Print the value of one setting."""
    wanted = parse_key(key)
    rows = {path: value for path, value, _ in _rows(command_settings())}
    inside = {path: value for path, value in rows.items() if path[: len(wanted)] == wanted}
    if not inside:
        raise _unknown(key)
    for path, value in inside.items():
        if path == wanted:
            click.echo(
                value if isinstance(value, str) else "" if value is None else toml_value(value)
            )
        else:
            shown = value if value in (None, _MASK) else toml_value(value)
            click.echo(f"{dotted(path)} = {shown or '(not set)'}")


def set_setting(key: str, value: str) -> None:
    """Write one setting into the file, keeping its comments and order."""
    path = parse_key(key)
    if len(path) < 2:
        raise Failure(f"{key!r} names no setting; write TABLE.KEY, like server.bind")
    edited = _edited(TomlFile.read(find_paths().config_file), path, value)
    write_private(edited.file, edited.text.encode())
    click.echo(f"{dotted(path)} is set in {edited.file}; restart `gateway serve` to use it")


def reset_settings(key: str | None, *, confirmed: bool) -> None:
    """Take a setting, a table, or everything back to the defaults."""
    file = find_paths().config_file
    if key is None:
        if not confirmed:
            click.confirm(f"Remove all settings in {file}?", abort=True)
        file.unlink(missing_ok=True)
        click.echo("all settings are back to their defaults")
        return
    path = parse_key(key)
    before = TomlFile.read(file)
    after = before.without(path)
    if after is before:
        if path not in {row[0][: len(path)] for row in _rows(load_settings(file=after))}:
            raise _unknown(key)
        click.echo(f"{dotted(path)} is not set in {file}")
        return
    write_private(after.file, after.text.encode())
    click.echo(f"{dotted(path)} is back to its default")


def _edited(file: TomlFile, path: KeyPath, text: str) -> TomlFile:
    """The file with the value as the first of its readings that validates. Raises `Failure`, or
    `SettingsError` when another line of the file is wrong.
    """
    failure: Exception = Failure(f"{text!r} cannot be written")
    for value in _readings(text):
        edited = file.with_value(path, value)
        try:
            settings = _check(edited, path)
        except SettingsError as error:
            lines = {edited.line_of(path[:length]) for length in range(1, len(path) + 1)}
            ours = error.line is None or error.line in lines
            failure = Failure(f"{error.reason}; nothing was changed") if ours else error
            continue
        kept: Any = settings.model_dump()
        for part in path:
            kept = kept[part]
        if isinstance(value, str) and isinstance(kept, tuple):
            return file.with_value(path, list(kept))
        return edited
    raise failure


def _readings(text: str) -> Iterator[object]:
    """What the text may mean: the TOML value it spells, else the text itself."""
    try:
        literal: object = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        literal = None
    if isinstance(literal, bool | int | float | list | dict | str):
        yield literal
    yield text


def _check(file: TomlFile, path: KeyPath) -> Settings:
    """The settings that the file alone means. A provider's table is checked by the provider, the
    choice of a store and its options by the plugin that has it.
    """
    settings = load_settings(environ={}, file=file)
    if path[0] == "providers":
        PluginSet(settings)
    elif path[:2] in (("state", "store"), _OPTIONS):
        PluginSet(settings).check_store()
    return settings


def _unknown(key: str) -> Failure:
    return Failure(f"there is no setting {key!r}; `gateway config show` lists them")


def _rows(settings: Settings) -> Iterator[tuple[KeyPath, Any, str | None]]:
    """Path, value (secrets masked) and origin of every setting."""
    values = {name: getattr(settings, name) for name in Tables.model_fields}
    dumped = {
        name: value if name == "providers" else value.model_dump() for name, value in values.items()
    }
    is_secret_option = _secret_options(settings)
    for path, value in _flat(dumped, ()):
        origin = settings.origins.get(dotted(path))
        hidden = (
            isinstance(value, SecretStr)
            or (path[0] == "providers" and is_secret_option(path))
            or (path[:2] == _OPTIONS and is_secret_option(path))
        )
        shown = _MASK if hidden and value is not None else _plain(value)
        yield path, shown, str(origin) if origin else None


def _secret_options(settings: Settings) -> Callable[[KeyPath], bool]:
    """Which options of the store and of providers must not be shown: those that a plugin declares
    as secrets. Of the store, also those that it does not declare, and all where its plugin cannot
    be asked: what is left over or misspelled may be a secret, as an address may have one in it.
    """
    plugins: PluginSet | None = None
    if settings.state.options or settings.providers:
        with suppress(SettingsError):  # some plugin's table is wrong
            plugins = PluginSet(settings)

    def is_hidden(path: KeyPath) -> bool:
        if path[0] == "providers":
            relay = plugins.providers.get(path[1]) if plugins else None
            return is_secret(path) or (
                relay is not None and is_secret(path[2:], relay.info.settings)
            )
        info = plugins.stores.get(settings.state.store) if plugins else None
        if info is None:
            return True
        option = path[2:]
        return is_secret(option, info.settings) or not is_declared(option, info.settings)

    return is_hidden


def _flat(table: Mapping[str, Any], path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping) and (value or not path or path[0] == "providers"):
            yield from _flat(value, (*path, key))
        else:
            yield (*path, key), value


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return (
        value
        if value is None or isinstance(value, bool | int | float | list | dict)
        else str(value)
    )
