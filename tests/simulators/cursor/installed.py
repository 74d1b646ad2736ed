"""A gateway with the Cursor provider whose only world is a simulator."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import SecretStr

from gateway_core import Credential
from gateway_core.credentials.file_store import FileStore
from gateway_core.json import dumps_text
from gateway_cursor.live import Pace
from gateway_cursor.opening import Opener
from gateway_cursor.plugin import CursorProvider
from simulators.cursor.run import Run
from simulators.cursor.server import CursorSimulator
from simulators.cursor.state import ACCESS_LIFETIME, Account
from support.command import GatewayCommand
from support.conversations import AnthropicTalk, ResponsesTalk, Talk
from support.served import Kind, Served
from support.server import Gateway, running_gateway

__all__ = ["CursorServed", "cursor_command", "cursor_gateway", "store_login", "urls"]


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


class CursorServed(Served[CursorSimulator]):
    """The pair for Cursor, whose runs are what is asked."""

    provider = "cursor"
    model = "claude-opus-5-high"
    simulated = CursorSimulator
    started = staticmethod(cursor_gateway)

    @property
    def requests(self) -> list[Run]:
        return self.simulator.runs

    def forget(self) -> None:
        self.simulator.forget()

    @property
    def refreshes(self) -> int:
        return self.simulator.state.refreshes

    def end_tokens(self) -> None:
        self.simulator.state.end_access_tokens()

    def end_login(self) -> None:
        self.simulator.state.end_sessions()

    def wait_until_left(self) -> None:
        self.simulator.wait(lambda: self.requests[-1].left)

    def sent(self) -> str:
        run = self.requests[-1]
        told = [dumps_text(entry) for entry in run.entries]
        return "\n".join([*told, run.said or "", run.context.cloud_rule, str(run.request)])

    def talk(self, kind: Kind, stream: bool = True, model: str | None = None) -> Talk:
        """Nothing is said of thinking: the name of the model says all."""
        talk = super().talk(kind, stream, model)
        if kind is AnthropicTalk:
            talk.more["thinking"] = {"type": "disabled"}
        if kind is ResponsesTalk:
            talk.more["reasoning"] = {"summary": "auto"}
        return talk
