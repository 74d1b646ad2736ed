"""The settings: their tables, and how flags, environment, file and defaults become one value.

Precedence: flag, environment variable, settings file, default. Unknown keys and wrong types raise
`SettingsError` with the place and a suggestion. A provider's own table is validated by the
provider's model, see `provider_settings`.
"""

import os
import re
import secrets
import stat
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from gateway_core.addresses import Address, expand_addresses, parse_address
from gateway_core.paths import Paths, find_paths
from gateway_core.private_files import create_private, write_private
from gateway_core.settings_file import SettingsError, TomlFile
from gateway_core.settings_layers import Gathered, Origin, explain_invalid, gather

__all__ = [
    "BatchSettings",
    "CredentialSettings",
    "LogSettings",
    "Origin",
    "PluginSettings",
    "RoutingSettings",
    "ServerSettings",
    "Settings",
    "SettingsError",
    "StateSettings",
    "Tables",
    "TimeoutSettings",
    "load_settings",
    "local_key",
    "provider_settings",
    "state_options",
]

_KEY_PREFIX = "gw-"
_ModelT = TypeVar("_ModelT", bound=BaseModel)


def _split_commas(value: object) -> object:
    """A comma list as people write it in a variable or flag."""
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return value


def _check_addresses(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        raise ValueError("needs at least one address, like 127.0.0.1:14550")
    for value in values:
        parse_address(value)
    return values


def _check_key(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text.isascii() or not text.isprintable() or not text or " " in text:
        raise ValueError("must be printable ASCII without blanks, because it travels in a header")
    return value


def _check_origins(values: tuple[str, ...]) -> tuple[str, ...]:
    """As browsers write them: in lower case, without a path, and without the port that is usual."""
    origins = []
    for value in values:
        found = _ORIGIN.fullmatch(value.lower())
        if found is None:
            raise ValueError(f"{value!r} is no origin: write it as https://app.example")
        scheme, place, port = found.groups()
        usual = port == _USUAL_PORTS.get(scheme)
        origins.append(f"{scheme}://{place}" + (f":{port}" if port and not usual else ""))
    return tuple(origins)


_ORIGIN: Final = re.compile(
    r"([a-z][a-z0-9+.-]*)://(\[[0-9a-f:.]+\]|[^\s/?#@:*]+)(?::(\d{1,5}))?/?"
)
_USUAL_PORTS: Final = {"http": "80", "https": "443"}
_Words = Annotated[tuple[str, ...], BeforeValidator(_split_commas)]
_Origins = Annotated[_Words, AfterValidator(_check_origins)]
_Binds = Annotated[_Words, AfterValidator(_check_addresses)]
_LocalKey = Annotated[SecretStr, AfterValidator(_check_key)]
_Seconds = Annotated[float, Field(gt=0, le=86_400)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ServerSettings(_Table):
    """`[server]`. Sizes in bytes, times in seconds."""

    bind: _Binds = Field(default=("127.0.0.1:14550",), description="addresses to listen on")
    api_key: _LocalKey | None = Field(
        default=None, description="the local key; generated when not set"
    )
    require_key: bool = Field(default=True, description="whether clients must send the local key")
    max_body_bytes: int = Field(
        default=64 * 1024 * 1024, ge=1024, description="largest request body"
    )
    allowed_hosts: _Words = Field(default=(), description="further Host names that clients may use")
    allowed_origins: _Origins = Field(default=(), description="web origins whose pages may call us")
    ping_interval: Annotated[float, Field(gt=0, le=15)] = Field(
        default=15.0, description="longest silence towards a client before a keep-alive"
    )
    first_event_wait: Annotated[float, Field(ge=0, le=60)] = Field(
        default=5.0, description="how long response headers wait for the first upstream event"
    )

    websocket: bool = Field(
        default=True, description="whether the Responses API is also served over WebSocket"
    )

    def addresses(self) -> list[Address]:
        """Where to listen, with network selectors expanded. Raises `SettingsError`."""
        try:
            return expand_addresses(parse_address(text) for text in self.bind)
        except ValueError as error:
            raise SettingsError(f"server.bind: {error}") from error


class TimeoutSettings(_Table):
    """`[timeouts]` towards upstreams, in seconds."""

    connect: _Seconds = Field(default=15.0, description="to open a connection")
    idle: _Seconds = Field(default=300.0, description="longest silence within an answer")
    total: _Seconds = Field(default=3600.0, description="longest answer")


class RoutingSettings(_Table):
    """`[routing]`: which provider serves which model name."""

    aliases: dict[str, str] = Field(
        default_factory=dict, description="model names of your own, each for a model"
    )
    priority: _Words = Field(
        default=(), description="providers in order, for models several of them have"
    )
    fallback: str | None = Field(
        default=None, description="the model for claude-* names that nobody serves"
    )


class CredentialSettings(_Table):
    """`[credentials]`: where logins are kept. Which account serves is chosen at login."""

    store: Literal["auto", "keyring", "file"] = Field(
        default="auto", description="where logins are kept"
    )


class PluginSettings(_Table):
    """`[plugins]`: which installed plugins are used. `enabled` None means all."""

    enabled: _Words | None = Field(default=None, description="use only these plugins")
    disabled: _Words = Field(default=(), description="do not use these plugins")
    strict: bool = Field(default=False, description="refuse to start when a plugin is broken")


class LogSettings(_Table):
    """`[log]`. `file` true means the log folder, a path means that file."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="least level"
    )
    file: bool | Path = Field(
        default=False, description="also write a rotating file (true, or its path)"
    )
    format: Literal["text", "json"] = Field(
        default="text", description="shape of the lines on stderr"
    )


class StateSettings(_Table):
    """`[state]`: what outlives an answer. `asked` means that a client names `store` or goes on from
    a stored response.
    """

    store: str = Field(default="sqlite", description="the built-in file, or a plugin's store")
    options: dict[str, Any] = Field(
        default_factory=dict,
        repr=False,
        description="settings of a plugin's store, see its own documentation",
    )
    stored_responses: Literal["asked", "always", "never"] = Field(
        default="asked", description="which answers of the Responses API are kept"
    )
    max_age_days: float = Field(
        default=30.0, gt=0, le=36_500, description="days that an unused answer is kept"
    )
    max_megabytes: int = Field(
        default=200, ge=1, le=1_000_000, description="room for all of them, in 10^6 bytes"
    )
    max_background: int = Field(
        default=10, ge=1, le=1000, description="background responses that run at once; more wait"
    )
    usage_days: float = Field(
        default=90.0, ge=0, le=36_500, description="days that the usage ledger goes back; 0: none"
    )


class BatchSettings(_Table):
    """`[batches]`: message batches, which run while the gateway serves."""

    at_once: int = Field(
        default=4, ge=1, le=100, description="requests of batches that run at the same time"
    )
    expire_hours: float = Field(
        default=24.0, gt=0, le=8760, description="hours after which nothing of a batch begins"
    )
    keep_days: float = Field(
        default=29.0, gt=0, le=36_500, description="days that results are kept, from creation"
    )
    max_megabytes: int = Field(
        default=500, ge=1, le=1_000_000, description="room for all of them, in 10^6 bytes"
    )

    @model_validator(mode="after")
    def _results_outlast_the_work(self) -> Self:
        if self.expire_hours >= self.keep_days * 24:
            raise ValueError(
                f"expire_hours = {self.expire_hours:g} is no less than keep_days = "
                f"{self.keep_days:g} ({self.keep_days * 24:g} hours): results could be removed as "
                "soon as they are there; lower the first or raise the second"
            )
        return self


class Tables(_Table):
    """What a settings file may hold."""

    server: ServerSettings = ServerSettings()
    timeouts: TimeoutSettings = TimeoutSettings()
    routing: RoutingSettings = RoutingSettings()
    credentials: CredentialSettings = CredentialSettings()
    plugins: PluginSettings = PluginSettings()
    providers: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="one table for each provider, see its own documentation"
    )
    log: LogSettings = LogSettings()
    state: StateSettings = StateSettings()
    batches: BatchSettings = BatchSettings()


class Settings(Tables):
    """All settings, the places of files, and for each value that is no default its origin."""

    paths: Paths = Field(default_factory=find_paths, exclude=True)
    origins: dict[str, Origin] = Field(default_factory=dict, exclude=True, repr=False)


def load_settings(
    flags: Mapping[str, object] | None = None,
    environ: Mapping[str, str] = os.environ,
    *,
    file: TomlFile | None = None,
) -> Settings:
    """Read all sources. Raises `SettingsError` for the first thing that is wrong.

    flags: values by dotted key (`server.bind`); None values count as not given.
    file: the settings file to use instead of the one on disk, to check an edit.
    """
    paths = find_paths(environ)
    file = file or TomlFile.read(paths.config_file)
    _validate(gather(file, {}, {}, Tables))  # also what a variable or a flag will hide
    gathered = gather(file, environ, flags or {}, Tables)
    tables = _validate(gathered)
    parts = {name: getattr(tables, name) for name in Tables.model_fields}
    return Settings(**parts, paths=paths, origins=gathered.origins)


def _validate(gathered: Gathered) -> Tables:
    try:
        return Tables.model_validate(gathered.values)
    except ValidationError as error:
        raise explain_invalid(error, Tables, (), gathered.origins) from None


def provider_settings(settings: Settings, provider: str, model: type[_ModelT]) -> _ModelT:
    """The `[providers.<id>]` table as the provider's own model.

    Raises `SettingsError` with the place and a suggestion, as for the gateway's own tables.
    """
    try:
        return model.model_validate(settings.providers.get(provider, {}))
    except ValidationError as error:
        raise explain_invalid(error, model, ("providers", provider), settings.origins) from None


def state_options(
    settings: Settings, model: type[_ModelT], *, unfinished: bool = False
) -> _ModelT | None:
    """The `[state.options]` table as the model of the store that is chosen.

    unfinished: whether the table is still being written; None then where something is missing.
    Raises `SettingsError` as `provider_settings` does.
    """
    try:
        return model.model_validate(settings.state.options)
    except ValidationError as error:
        if unfinished and all(detail["type"] == "missing" for detail in error.errors()):
            return None
        raise explain_invalid(error, model, ("state", "options"), settings.origins) from None


def local_key(settings: Settings) -> str:
    """The key that clients must send: the one that was set, else one generated once and kept.

    Two processes that start at the same time agree on one. Raises `SettingsError` when the key
    cannot be kept.
    """
    if settings.server.api_key is not None:
        return settings.server.api_key.get_secret_value()
    file = settings.paths.key_file
    try:
        return _read_key(file) or _generate_key(file)
    except OSError as error:
        raise SettingsError(
            f"the local key cannot be kept: {error.strerror}; set GATEWAY_API_KEY", file=file
        ) from error


def _read_key(file: Path) -> str | None:
    try:
        key = file.read_text("ascii", "replace").strip()
    except FileNotFoundError:
        return None
    if os.name == "posix" and stat.S_IMODE(file.stat().st_mode) & 0o077:
        file.chmod(0o600)
    return key


def _generate_key(file: Path) -> str:
    key = _KEY_PREFIX + secrets.token_urlsafe(32)
    if create_private(file, f"{key}\n".encode()):
        return key
    for wait in (
        0,
        0.02,
        0.1,
        0.5,
    ):  # without hard links the winner's file may be empty for a while
        time.sleep(wait)
        if winner := _read_key(file):
            return winner
    write_private(file, f"{key}\n".encode())  # left empty by a crash
    return _read_key(file) or key
