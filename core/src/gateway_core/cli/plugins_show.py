"""`gateway plugins show`: all there is to know of one plugin, without asking anybody outside."""

import inspect
from collections.abc import Iterator, Sequence
from types import NoneType
from typing import Any, get_args, get_origin

import click
from pydantic import BaseModel, SecretStr

from gateway_core.cli.common import command_settings, echo_json, run
from gateway_core.cli.plugins import find_report, last_failure, told_failure
from gateway_core.hookspecs import GatewaySpec
from gateway_core.json import JsonObject
from gateway_core.plugin_health import LastFailure
from gateway_core.plugins import PluginReport, PluginSet
from gateway_core.provider import Capabilities
from gateway_core.runtime import Runtime
from gateway_core.settings import Settings, state_options
from gateway_core.settings_layers import is_secret
from gateway_core.state.info import StateStoreInfo
from gateway_core.status import gather_status

__all__ = ["show_plugin"]

_MASK = "(secret)"


def show_plugin(name: str, *, as_json: bool) -> None:
    """Print what a plugin is, can, and keeps; `name` is its own or its provider's."""
    settings = command_settings()
    plugins = PluginSet(settings)
    report = find_report(plugins, name)
    failure = last_failure(plugins, report)
    facts = _gather(settings, plugins, report, failure)
    if as_json:
        echo_json(facts)
    else:
        click.echo("\n".join(_lines(facts, failure)))


def _gather(
    settings: Settings, plugins: PluginSet, report: PluginReport, failure: LastFailure | None
) -> JsonObject:
    store = plugins.stores[report.store] if report.store else None
    return {
        "name": report.name,
        "distribution": report.distribution,
        "version": report.version,
        "state": report.state,
        "reason": report.reason,
        "hooks": {hook: _first_sentence(getattr(GatewaySpec, hook)) for hook in report.hooks},
        "provider": run(_provider_facts(settings, report.provider)) if report.provider else None,
        "store": _store_facts(settings, store) if store else None,
        "last_failure": failure.facts() if failure else None,
    }


async def _provider_facts(settings: Settings, id: str) -> JsonObject:
    runtime = Runtime(settings, only_provider=id)
    try:
        logins = await gather_status(runtime, id, offline=True)
    finally:
        await runtime.credentials.aclose()
        await runtime.transports.aclose()
    relay = runtime.plugins.providers[id]
    age = runtime.catalogue.age(id)
    return {
        "id": id,
        "title": relay.info.title,
        "contract": relay.info.contract,
        "login": relay.info.login,
        "login_optional": relay.info.login_optional,
        "hosts": list(relay.info.hosts),
        "capabilities": _capability_facts(relay.info.capabilities),
        "settings": list(
            _fields(type(relay.settings), relay.settings, (), f"providers__{id}".replace("-", "_"))
        ),
        "models": len(runtime.catalogue.models(id)),
        "models_age_seconds": None if age is None else round(age),
        "accounts": [
            {
                "account": login.credential.account,
                "label": login.credential.label,
                "active": login.active,
            }
            for login in logins
            if login.credential is not None
        ],
    }


def _capability_facts(can: Capabilities) -> JsonObject:
    """As JSON; what has an order keeps it, sets are sorted."""
    return {
        name: sorted(value)
        if isinstance(value := getattr(can, name), frozenset)
        else list(value)
        if isinstance(value, tuple)
        else value
        for name in can.__dataclass_fields__
    }


def _store_facts(settings: Settings, info: StateStoreInfo) -> JsonObject:
    """What a store is and takes; its values are only known where it is the one in use."""
    used = info.name == settings.state.store
    values = state_options(settings, info.settings, unfinished=True) if used else None
    return {
        "name": info.name,
        "contract": info.contract,
        "used": used,
        "settings": list(_fields(info.settings, values, (), "state__options")),
    }


def _fields(
    model: type[BaseModel], values: BaseModel | None, path: tuple[str, ...], prefix: str
) -> Iterator[JsonObject]:
    """The settings of a model, with their values; without any, with their defaults."""
    for name, field in model.model_fields.items():
        here = (*path, name)
        default = None
        if not field.is_required():
            default = field.get_default(call_default_factory=True, validated_data={})
        value = default if values is None else getattr(values, name)
        variable = f"{prefix}__{name}"
        if isinstance(value, BaseModel):
            yield from _fields(type(value), value, here, variable)
            continue
        secret = is_secret((name,), model)
        yield {
            "name": ".".join(here),
            "type": _type_name(field.annotation),
            "default": _shown(default, secret),
            "value": _shown(value, secret),
            "description": field.description,
            "env": f"GATEWAY_{variable}".upper(),
        }


def _shown(value: object, secret: bool) -> object:
    if value is None:
        return None
    if secret or isinstance(value, SecretStr):
        return _MASK
    if isinstance(value, tuple | list | set | frozenset):
        return [_shown(item, secret) for item in value]
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return value if isinstance(value, bool | int | float | str | dict) else str(value)


def _type_name(annotation: Any) -> str:
    """A type as people write it: `str`, `low | high`, `list of int`."""
    arguments = get_args(annotation)
    origin = get_origin(annotation)
    if origin is None:
        return "text" if annotation in (str, SecretStr) else getattr(annotation, "__name__", "any")
    if all(isinstance(one, str) for one in arguments):
        return " | ".join(arguments)
    if hasattr(annotation, "__metadata__"):
        return _type_name(arguments[0])
    kinds = [_type_name(one) for one in arguments if one not in (NoneType, ...)]
    if origin in (list, tuple, set, frozenset):
        return f"list of {kinds[0]}" if kinds else "list"
    if origin is dict:
        return "table"
    return " | ".join(kinds)


def _first_sentence(specification: object) -> str:
    """The first sentence of a hook's documentation."""
    text = " ".join((inspect.getdoc(specification) or "").split("\n\n")[0].split())
    return text.partition(". ")[0].rstrip(".")


def _lines(facts: JsonObject, failure: LastFailure | None) -> Iterator[str]:
    source = " ".join(str(facts[name]) for name in ("distribution", "version") if facts[name])
    yield f"{facts['name']}  {facts['state']}  {source or 'built in'}"
    if facts["reason"]:
        yield f"  reason: {facts['reason']}"
    if failure is not None:
        yield f"  last failure: {told_failure(failure)}"
    if provider := facts["provider"]:
        yield from _provider_lines(provider)
    if store := facts["store"]:
        used = "in use" if store["used"] else f"used where state.store is {store['name']!r}"
        yield f"\nstate store {store['name']}, contract {store['contract']}: {used}"
        yield from _setting_lines("state.options", store["settings"])
    if facts["hooks"]:
        yield "\nhooks"
        width = max(map(len, facts["hooks"]))
        yield from (f"  {hook:{width}}  {told}" for hook, told in facts["hooks"].items())


def _provider_lines(provider: JsonObject) -> Iterator[str]:
    yield f"\nprovider {provider['id']} ({provider['title']}), contract {provider['contract']}"
    yield f"  login: {provider['login']}{', optional' if provider['login_optional'] else ''}"
    yield f"  hosts: {', '.join(provider['hosts']) or 'none'}"
    age = provider["models_age_seconds"]
    fetched = "" if age is None else f", fetched {age // 60} min ago"
    yield f"  models: {provider['models']}{fetched}"
    if provider["login"] != "none":
        yield f"  accounts: {', '.join(map(_account, provider['accounts'])) or 'none'}"
    yield "\ncapabilities"
    for name, value in provider["capabilities"].items():
        yield f"  {name}: {_worded(value)}"
    yield from _setting_lines(f"providers.{provider['id']}", provider["settings"])


def _setting_lines(table: str, settings: Sequence[JsonObject]) -> Iterator[str]:
    if settings:
        yield f"\nsettings ([{table}])"
    for setting in settings:
        yield f"  {setting['name']} = {_worded(setting['value'])}  ({setting['type']})"
        yield f"      {setting['description'] or 'no description'}"
        changed = setting["value"] != setting["default"]
        default = f"; default {_worded(setting['default'])}" if changed else ""
        yield f"      {setting['env']}{default}"


def _account(account: JsonObject) -> str:
    name = account["label"] or account["account"]
    return f"{name}{'' if account['active'] else ' (not active)'}"


def _worded(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value)) or "none"
    return str(value)
