"""A gateway with the Cursor provider whose only world is a simulator."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import SecretStr

from gateway_core import Credential
from gateway_core.credentials.file_store import FileStore
from gateway_cursor.live import Pace
from gateway_cursor.opening import Opener
from gateway_cursor.plugin import CursorProvider
from simulators.cursor.server import CursorSimulator
from simulators.cursor.state import ACCESS_LIFETIME, Account
from support.command import GatewayCommand
from support.server import Gateway, running_gateway

__all__ = ["cursor_command", "cursor_gateway", "store_login", "urls"]


def urls(simulator: CursorSimulator) -> dict[str, str]:
    """All addresses, by the names of the plugin's settings."""
    return {"base_url": simulator.url, "website": simulator.url}


def store_login(
    simulator: CursorSimulator,
    folder: Path,
    account: Account | None = None,
    *,
    key: str | None = None,
) -> FileStore:
    """A store with the simulator's own login in it, or with a new one of another account.

    key: the API key that it is a login with.
    """
    tokens = simulator.tokens if account is None else simulator.state.log_in(account.id)
    account = account or simulator.account
    store = FileStore(folder)
    store.put(
        Credential(
            provider="cursor",
            account=account.id,
            label=account.email,
            access_token=SecretStr(tokens.access),
            refresh_token=SecretStr(key or tokens.refresh),
            expires_at=datetime.now(UTC) + timedelta(seconds=ACCESS_LIFETIME),
            extra={"kind": "session" if key is None else "key"},
        )
    )
    return store


@contextmanager
def cursor_gateway(
    simulator: CursorSimulator,
    home: Path,
    settings: Mapping[str, object] | None = None,
    *,
    store: FileStore | None = None,
    pace: Pace | None = None,
) -> Iterator[Gateway]:
    """A gateway in this process. settings: by dotted key. store: logins other than the usual. pace:
    how long the plugin waits for what.
    """
    ours = {f"providers.cursor.{key}": value for key, value in urls(simulator).items()}
    with running_gateway(
        home,
        extra_plugins=[CursorProvider(Opener(pace))],
        settings={**ours, **(settings or {})},
        store=store or store_login(simulator, home / "credentials"),
    ) as gateway:
        yield gateway


def cursor_command(simulator: CursorSimulator, home: Path, *, login: bool = True) -> GatewayCommand:
    """The `gateway` command with the plugin, told of the simulator by environment alone.

    home: an existing folder, which gets the login. login: whether there is one.
    """
    if login:
        store_login(simulator, home / "credentials")
    command = GatewayCommand(home)
    command.environ = {
        f"GATEWAY_PROVIDERS__CURSOR__{key.upper()}": value for key, value in urls(simulator).items()
    }
    command.environ["GATEWAY_PLUGINS"] = "cursor"
    return command
