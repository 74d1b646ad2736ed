"""A gateway with the Kiro provider whose only world is a simulator."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from gateway_core import Credential
from gateway_core.credentials.file_store import FileStore
from gateway_kiro.plugin import KiroProvider
from simulators.kiro.server import KiroSimulator
from simulators.kiro.state import Account
from support.command import GatewayCommand
from support.conversations import ChatTalk, Talk
from support.served import HttpServed, Kind
from support.server import Gateway, running_gateway

__all__ = ["KiroServed", "kiro_command", "kiro_gateway", "store_login"]

_PROVIDERS = {"social": "Google", "builder": "BuilderId", "organisation": "Enterprise"}
_KINDS = {"social": "social", "api-key": "api_key", "external": "external_idp"}


def store_login(
    simulator: KiroSimulator, folder: Path, account: Account | None = None
) -> FileStore:
    """A store with the simulator's own login in it, or with a new one of another account."""
    tokens = simulator.tokens if account is None else simulator.state.log_in(account.id)
    account = account or simulator.account
    extra = {
        "kind": _KINDS.get(account.kind, "idc"),
        "provider": _PROVIDERS.get(account.kind, ""),
    }
    secrets = {}
    if account.kind == "social" and account.profile is not None:
        extra["profile_arn"] = account.profile
    if account.kind in ("builder", "organisation"):
        region = "us-east-1" if account.kind == "builder" else "eu-west-1"
        client = simulator.state.register_client(region)
        extra |= {"client_id": client.id, "sso_region": region}
        secrets["client_secret"] = SecretStr(client.secret)
    store = FileStore(folder)
    store.put(
        Credential(
            provider="kiro",
            account=account.id,
            label=account.email,
            access_token=SecretStr(tokens.access),
            refresh_token=SecretStr(tokens.refresh) if tokens.refresh else None,
            extra={key: value for key, value in extra.items() if value},
            secrets=secrets,
        )
    )
    return store


@contextmanager
def kiro_gateway(
    simulator: KiroSimulator,
    home: Path,
    settings: Mapping[str, object] | None = None,
    *,
    account: Account | None = None,
) -> Iterator[Gateway]:
    """A gateway in this process. settings: by dotted key. account: who is logged in."""
    ours = {f"providers.kiro.{key}": value for key, value in simulator.urls.items()}
    with running_gateway(
        home,
        extra_plugins=[KiroProvider()],
        settings={**ours, **(settings or {})},
        store=store_login(simulator, home / "credentials", account),
    ) as gateway:
        yield gateway


def kiro_command(
    simulator: KiroSimulator, home: Path, account: Account | None = None, *, login: bool = True
) -> GatewayCommand:
    """The `gateway` command with the installed plugin, told of the simulator by environment alone.

    home: an existing folder, which gets the login. login: whether there is one.
    """
    if login:
        store_login(simulator, home / "credentials", account)
    command = GatewayCommand(home)
    command.environ = {
        f"GATEWAY_PROVIDERS__KIRO__{key.upper()}": value for key, value in simulator.urls.items()
    }
    command.environ["GATEWAY_PLUGINS"] = "kiro"
    return command


class KiroServed(HttpServed[KiroSimulator]):
    """The pair for Kiro."""

    provider = "kiro"
    model = "claude-sonnet-4.5"
    simulated = KiroSimulator
    started = staticmethod(kiro_gateway)

    @property
    def refreshes(self) -> int:
        return self.simulator.state.refreshes

    def end_tokens(self) -> None:
        self.simulator.state.end_access_tokens()

    def end_login(self) -> None:
        self.simulator.state.end_access_tokens()
        token = self.credential().refresh_token
        assert token is not None
        self.simulator.state.refresh(token.get_secret_value())  # somebody else spends it

    def talk(self, kind: Kind, stream: bool = True, model: str | None = None) -> Talk:
        """Thinking is wished for in the dialect's own way."""
        talk = super().talk(kind, stream, model)
        if kind is ChatTalk:
            talk.more["reasoning_effort"] = "medium"
        return talk
