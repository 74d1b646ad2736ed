"""The accounts that people are logged in with: told, found by what they are called, chosen, named.

For `/v1/accounts` and the commands `accounts`, `login` and `logout` alike. Asks no provider and
renews nothing; plans and limits are `gateway_core.status`'s business, how it looks on a terminal is
that of `gateway_core.cli.accounts`. No secret is in anything that comes out of here.
"""

import asyncio
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gateway_core.credentials.store import Credential, CredentialKey
from gateway_core.errors import GatewayError, InvalidRequest, LoginRequired, NotFound
from gateway_core.json import JsonObject
from gateway_core.redaction import redact
from gateway_core.status import token_facts

if TYPE_CHECKING:
    from gateway_core.runtime import Runtime

__all__ = [
    "KnownAccount",
    "account_facts",
    "accounts_facts",
    "find_account",
    "gather_accounts",
    "keep_login",
    "rename_account",
    "switch_command",
    "use_account",
]


@dataclass(slots=True, frozen=True)
class KnownAccount:
    """An account that is logged in.

    active: whether it serves its provider's turns. title: the provider's, None when its plugin is
    not there. credential: None when it cannot be read, for the reason that is the `problem`.
    """

    key: CredentialKey
    active: bool
    title: str | None = None
    credential: Credential | None = None
    problem: str | None = None

    @property
    def label(self) -> str | None:
        """What it is called, by the provider or by a person."""
        return self.credential.label if self.credential else None

    @property
    def email(self) -> str | None:
        """Its e-mail, as far as its login tells it."""
        if self.credential is None:
            return None
        label = self.credential.label or ""
        return self.credential.email or (label if "@" in label else None)

    @property
    def names(self) -> list[str]:
        """All that it can be asked for by."""
        return [name for name in (self.key.account, self.label, self.email) if name]

    def __str__(self) -> str:
        """Both names, for messages."""
        id = self.key.account
        return f"{self.label} ({id})" if self.label and self.label != id else id


async def gather_accounts(runtime: "Runtime", provider: str | None = None) -> list[KnownAccount]:
    """Every login, or those with one provider, in the order of their ids; also with providers whose
    plugin is not there any more.

    Raises `NotFound` for a provider that is neither installed nor logged in to.
    """
    manager = runtime.credentials
    relays = runtime.plugins.providers
    keys = [key for key in await manager.keys() if provider in (None, key.provider)]
    if provider is not None and not keys and provider not in relays:
        known = ", ".join(sorted(relays)) or "none"
        raise NotFound(f"no provider {provider!r} is installed; installed: {known}")
    active = {id: await manager.active(id) for id in {key.provider for key in keys}}
    accounts = []
    for key in keys:
        relay = relays.get(key.provider)
        account = KnownAccount(
            key, active[key.provider] == key.account, relay.info.title if relay else None
        )
        try:
            credential = await manager.stored(*key)
        except GatewayError as error:
            account = replace(account, problem=redact(error.message))
        else:
            account = replace(account, credential=credential)
        accounts.append(account)
    return accounts


async def accounts_facts(runtime: "Runtime", accounts: Sequence[KnownAccount]) -> JsonObject:
    """Accounts as JSON, and where logins are kept."""
    now = datetime.now(UTC)
    return {
        "store": await asyncio.to_thread(lambda: runtime.store.name),
        "accounts": [account_facts(account, now) for account in accounts],
    }


def account_facts(account: KnownAccount, now: datetime | None = None) -> JsonObject:
    """One account as JSON; members mean what they mean in `/v1/status`."""
    facts: JsonObject = {
        "provider": account.key.provider,
        "title": account.title,
        "account_id": account.key.account,
        "label": account.label,
        "email": account.email,
        "active": account.active,
    }
    if account.credential is not None:
        facts["token"] = token_facts(account.credential, now or datetime.now(UTC))
    if account.problem is not None:
        facts["problem"] = account.problem
    return facts


def find_account(accounts: Sequence[KnownAccount], provider: str, name: str) -> KnownAccount:
    """The provider's account that a person means: by id, label or e-mail, or by the beginning of
    one that no other account's name begins with.

    Raises `LoginRequired` when there is none at all, `NotFound` for another one, and
    `InvalidRequest` when several could be meant; all say what there is.
    """
    theirs = [account for account in accounts if account.key.provider == provider]
    if not theirs:
        raise LoginRequired(f"not logged in to {provider}; run `gateway login {provider}`")
    meant = _meant(theirs, name.strip().rstrip("…"))
    if len(meant) == 1:
        return meant[0]
    if not meant:
        raise NotFound(
            f"{provider} has no account {name!r}; logged in: {_listed(theirs)} "
            f"(`gateway login {provider}` adds another)"
        )
    raise InvalidRequest(
        f"{name!r} could be each of these accounts of {provider}: {_listed(meant)}; "
        "say more of it, or the id in brackets",
        param="account",
    )


async def use_account(runtime: "Runtime", provider: str, name: str) -> KnownAccount:
    """Let the account that a person means serve from now on; the account as it is then.

    Gateways that run notice at their next turn. Raises as `gather_accounts` and `find_account` do.
    """
    account = find_account(await gather_accounts(runtime, provider), provider, name)
    if not account.active:
        await runtime.credentials.set_active(*account.key)
        await runtime.catalogue.outdate_remembered(provider)
    return replace(account, active=True)


async def rename_account(runtime: "Runtime", provider: str, name: str, label: str) -> KnownAccount:
    """Call an account something else; the account as it was. Its e-mail goes on finding it.

    Raises as `use_account` does, and `InvalidRequest` for a label that cannot be told from nothing
    or from another account.
    """
    accounts = await gather_accounts(runtime, provider)
    account = find_account(accounts, provider, name)
    label = label.strip()
    if not label or not label.isprintable():
        raise InvalidRequest("a label needs something to read in it", param="label")
    for other in accounts:
        if other.key != account.key and label.casefold() in map(str.casefold, other.names):
            raise InvalidRequest(f"{label!r} is what {other} is called", param="label")
    await runtime.credentials.rename(*account.key, label)
    return account


async def keep_login(runtime: "Runtime", credential: Credential) -> KnownAccount | None:
    """Store the outcome of a login and let its account serve. It takes the place of what is stored
    for the account under an id that the plugin used before.

    Gives the account that served until now, if it is another one that stays.
    """
    manager = runtime.credentials
    provider = credential.provider
    before = await gather_accounts(runtime, provider)
    replaced = [account for account in before if _is_replaced(runtime, account, credential)]
    served = next((account for account in before if account.active), None)
    await manager.put(credential)
    await manager.set_active(*credential.key)
    for account in replaced:
        await manager.forget(*account.key)
    if served is not None and served.key == credential.key:
        return None
    await runtime.catalogue.outdate_remembered(provider)
    return None if served in replaced else served


def switch_command(credential: Credential, others: Iterable[Credential]) -> str:
    """The command that lets this account serve, by its label where no other one has it too."""
    label = (credential.label or "").casefold()
    taken = {
        name.casefold()
        for other in others
        for name in (other.label, other.email, other.account)
        if name
    }
    name = credential.label if label and label not in taken else credential.account
    dashes = "-- " if name and name.startswith("-") else ""
    return f"gateway accounts use {credential.provider} {dashes}{shlex.quote(name or '')}"


def _is_replaced(runtime: "Runtime", account: KnownAccount, credential: Credential) -> bool:
    stored = account.credential
    if stored is None or stored.key == credential.key:
        return False
    try:
        return runtime.plugins.providers[credential.provider].same_account(credential, stored)
    except GatewayError:  # which the log tells; the new login is good all the same
        return False


def _meant(accounts: Sequence[KnownAccount], name: str) -> list[KnownAccount]:
    """Those that fit best: by the id itself, else by a whole name, else by the beginning of one."""
    wanted = name.casefold()
    if not wanted:
        return []
    if found := [account for account in accounts if account.key.account == name]:
        return found
    told = [(account, [each.casefold() for each in account.names]) for account in accounts]
    if found := [account for account, names in told if wanted in names]:
        return found
    return [account for account, names in told if any(each.startswith(wanted) for each in names)]


def _listed(accounts: Iterable[KnownAccount]) -> str:
    return ", ".join(map(str, accounts))
