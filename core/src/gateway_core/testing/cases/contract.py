"""Area C: how the plugin introduces itself, and whether its hooks are what the contract says."""

import inspect
import re
from collections.abc import Callable, Iterator
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from gateway_core.hookspecs import PROJECT, GatewaySpec
from gateway_core.provider import LoginKind
from gateway_core.testing.case import Area, NotApplicable, Violation
from gateway_core.testing.installation import entry_point_of, installed_packages, is_bounded
from gateway_core.testing.quiet import importing, threads_started
from gateway_core.testing.subject import Subject
from gateway_core.testing.words import problems_of

__all__ = ["AREA"]

AREA: Final = Area("C", "contract and hooks")

_ASYNCHRONOUS: Final = frozenset(
    {
        "gateway_login",
        "gateway_refresh",
        "gateway_logout",
        "gateway_account",
        "gateway_models",
        "gateway_stored_response",
    }
)
_RESERVED: Final = frozenset(
    {"all", "auto", "core", "gateway", "none", "plugins", "providers", "server", "routing"}
)
_ID = re.compile(r"[a-z][a-z0-9-]*[a-z0-9]|[a-z]")
_LABEL = r"(\*|[a-z0-9]([a-z0-9-]*[a-z0-9])?)"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_SECRET_NAME = re.compile(r"(^|_)(api_?key|token|secret|password|passphrase|credential)$")


@AREA.case(
    1,
    rule="The plugin host loads the plugin, and it is a provider.",
    why="A plugin that is left out serves nothing, and people see it only in `gateway plugins`.",
    cure="Read the reason: mark hooks with `hookimpl`, implement the required ones, and say the "
    "contract number that your core exports as CONTRACT.",
    static=True,
)
def is_loaded_by_the_host(subject: Subject) -> None:
    relay = subject.fresh_relay()
    if relay.info != subject.fresh_relay().info:
        raise Violation("two objects of the plugin introduce themselves differently")


@AREA.case(
    2,
    rule="gateway_provider gives a sound id, a title, a known kind of login and bare host names, "
    "the same each time.",
    why="The id is the prefix of model names and the settings table; hosts are what people check "
    "before they trust a plugin with a login.",
    cure="id: lower-case letters, digits, hyphens. hosts: `api.vendor.example`, without scheme, "
    "port and path; `*` for a part that varies, such as a region. Return a constant.",
    static=True,
)
def introduces_itself(subject: Subject) -> None:
    plugin: Any = subject.make()
    info = subject.info
    wrong = []
    if plugin.gateway_provider() != plugin.gateway_provider():
        wrong.append("asked twice, it introduces itself differently")
    if not _ID.fullmatch(info.id):
        wrong.append(f"the id {info.id!r} is not lower-case letters, digits and inner hyphens")
    if not info.title.strip() or not info.title.isprintable() or info.title != info.title.strip():
        wrong.append(f"the title is {info.title!r}")
    if info.login not in (kinds := get_args(LoginKind)):
        wrong.append(f"the login is {info.login!r}, not one of {', '.join(kinds)}")
    wrong += [f"{host!r} is no bare host name" for host in info.hosts if not _HOST.fullmatch(host)]
    if isinstance(info.hosts, str):
        wrong = ["hosts is a string, not a tuple of strings"]
    _settle(wrong)


@AREA.case(
    3,
    rule="Capabilities are made of words that the core knows, efforts in ascending order.",
    why="A misspelt word is a capability that the provider does not have: requests are refused, "
    "or reasoning turned down, without a word.",
    cure="Take the words from the docstrings of Capabilities, EFFORTS and Sampling.",
    static=True,
)
def capabilities_are_known_words(subject: Subject) -> None:
    _settle(problems_of(subject.info.capabilities))


@AREA.case(
    4,
    rule="The settings model forbids unknown keys, is frozen, and needs no values.",
    why="A misspelt setting would do nothing, a changed one would change under a turn, a "
    "required one would stop `gateway serve` for who has only just installed the plugin.",
    cure='`model_config = ConfigDict(extra="forbid", frozen=True)`, and a default for every field.',
    static=True,
)
def settings_are_strict(subject: Subject) -> None:
    wrong = []
    for model in _models_in(subject.info.settings):
        name = model.__name__
        if model.model_config.get("extra") != "forbid":
            wrong.append(f"{name} takes unknown keys")
        if not model.model_config.get("frozen"):
            wrong.append(f"{name} is not frozen")
    try:
        subject.info.settings.model_validate({})
    except ValidationError as error:
        fields = sorted({str(detail["loc"][0]) for detail in error.errors() if detail["loc"]})
        wrong.append(f"without values it is invalid: {', '.join(fields)}")
    _settle(wrong)


@AREA.case(
    5,
    rule="Each setting has a description, and those that hold secrets are SecretStr.",
    why="`gateway plugins show` and the docs tell people what a setting does; a plain string "
    "shows in reprs, logs and `gateway config show`.",
    cure='`Field(default=..., description="...")`; `SecretStr | None` for keys and passwords.',
    static=True,
)
def settings_explain_themselves(subject: Subject) -> None:
    wrong = []
    for model in _models_in(subject.info.settings):
        for name, field in model.model_fields.items():
            if not (field.description or "").strip():
                wrong.append(f"{name} has no description")
            if _SECRET_NAME.search(name) and str in _kinds(field.annotation):
                wrong.append(f"{name} is a plain string")
    _settle(wrong)


@AREA.case(
    6,
    rule="Asynchronous hooks give awaitables, all others plain values.",
    why="A hook of the wrong kind fails at the first turn, with a message about coroutines.",
    cure="`async def` for " + ", ".join(sorted(_ASYNCHRONOUS)) + "; `def` for the others.",
    static=True,
)
def hooks_are_of_their_kind(subject: Subject) -> None:
    wrong = []
    for name, function in _hooks(subject.make()):
        plain = inspect.unwrap(function)
        if inspect.isasyncgenfunction(plain):
            wrong.append(f"{name} is an asynchronous generator")
        elif name not in _ASYNCHRONOUS and inspect.iscoroutinefunction(plain):
            wrong.append(f"{name} is `async def`")
        elif name in _ASYNCHRONOUS and not inspect.iscoroutinefunction(plain):
            told = str(inspect.signature(plain).return_annotation)
            if not re.search(r"Awaitable|Coroutine|Future|Task", told):
                wrong.append(f"{name} is a plain `def` that promises no awaitable")
    _settle(wrong)


@AREA.case(
    7,
    rule="Hooks take only the arguments that their specification has, by its names.",
    why="A later core may pass more arguments, never others: what is not in the specification "
    "would have to be guessed.",
    cure="Compare with docs/hooks.md; leave out what you do not need; no `*args`, no defaults.",
    static=True,
)
def hooks_take_known_arguments(subject: Subject) -> None:
    wrong = []
    for name, function in _hooks(subject.make()):
        known = inspect.signature(getattr(GatewaySpec, name)).parameters.keys() - {"self"}
        for parameter in inspect.signature(function).parameters.values():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                wrong.append(f"{name} takes {parameter}")
            elif parameter.name not in known:
                wrong.append(f"{name} takes {parameter.name!r}; there are {', '.join(known)}")
            elif parameter.default is not parameter.empty:
                wrong.append(f"{name} has a default for {parameter.name!r}, so it is never passed")
    _settle(wrong)


@AREA.case(
    8,
    rule="A provider with a login implements gateway_login and gateway_refresh.",
    why="When a token ends, people would be told of a missing hook instead of what to do.",
    cure="Where nothing can be refreshed, raise LoginRequired that names `gateway login`.",
    static=True,
)
def a_login_is_complete(subject: Subject) -> None:
    hooks = {name for name, _ in _hooks(subject.make())}
    login = {"gateway_login", "gateway_refresh"}
    if subject.info.login == "none":
        if useless := sorted(hooks & login):
            raise Violation(f"login is 'none', but it implements {', '.join(useless)}")
        raise NotApplicable("the provider has no login")
    if missing := sorted(login - hooks):
        raise Violation(f"it lacks {', '.join(missing)}")


@AREA.case(
    9,
    rule="The installed distribution publishes the plugin under the entry point group `gateway`.",
    why="Without it the plugin works in its own tests and nowhere else.",
    cure='[project.entry-points.gateway] mine = "gateway_mine.plugin:MyProvider"',
    static=True,
)
def can_be_found(subject: Subject) -> None:
    entry = entry_point_of(subject.make)
    if entry is None:
        _unless_installed(subject.make)
        raise Violation("no entry point of the group `gateway` leads to it")
    if entry.dist is None or not entry.dist.version:
        raise Violation("its distribution has no version")
    if not re.fullmatch(r"[a-z][a-z0-9-]*", entry.name):
        raise Violation(f"the entry point's name {entry.name!r} is no plugin name")


@AREA.case(
    10,
    rule="The distribution depends on gateway-core below the next version that may break it.",
    why="An old plugin beside a new core is left out at best, and fails at turns at worst.",
    cure='dependencies = ["gateway-core>=0.1,<0.2"]; docs/versioning.md says what may change when.',
    static=True,
)
def depends_on_a_bounded_core(subject: Subject) -> None:
    entry = entry_point_of(subject.make)
    if entry is None or entry.dist is None:
        raise NotApplicable("the plugin is not installed: `pip install -e .`")
    if (bounded := is_bounded(entry.dist.requires or [])) is None:
        raise Violation(f"{entry.dist.name} does not depend on gateway-core")
    if not bounded:
        raise Violation(f"{entry.dist.name} takes any later gateway-core")


@AREA.case(
    11,
    rule="Importing and making the plugin connects nowhere, starts no thread or program, and "
    "opens nothing of other programs.",
    why="Every command imports every plugin: `gateway --help` of one would be slow, would fail "
    "without a network, or would read logins that nobody asked it to read.",
    cure="Do it inside the hook that needs it.",
    static=True,
)
def loading_is_quiet(subject: Subject) -> None:
    with threads_started() as started:
        subject.make()
    if started:
        raise Violation(f"making it starts the thread {started[0]!r}")
    _settle([f"it {what}" for what in importing(subject.make)])


@AREA.case(
    12,
    rule="Neither the provider's id nor the plugin's name is a word of the core.",
    why="`core` is the core's own plugin, and `all` or `none` in a setting mean something else.",
    cure="Call it after the vendor.",
    static=True,
)
def names_are_its_own(subject: Subject) -> None:
    entry = entry_point_of(subject.make)
    names = {subject.info.id, *([entry.name] if entry else [])}
    if taken := sorted(names & _RESERVED):
        raise Violation(f"{', '.join(taken)} is a word of the core")


def _settle(problems: list[str]) -> None:
    if problems:
        raise Violation("; ".join(problems))


def _hooks(plugin: object) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The hooks that the plugin implements, but for wrappers, which are generators."""
    for name in vars(GatewaySpec):
        function = getattr(plugin, name, None)
        marks = getattr(function, f"{PROJECT}_impl", None)
        if callable(function) and marks and not (marks["wrapper"] or marks["hookwrapper"]):
            yield name, function


def _unless_installed(make: Callable[[], object]) -> None:
    """Raises `NotApplicable` for a plugin that comes from no installed distribution."""
    top = getattr(make, "__module__", "").partition(".")[0]
    if top not in installed_packages():
        raise NotApplicable("the plugin is not installed: `pip install -e .`")


def _models_in(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """A settings model and those of its tables."""
    yield model
    for field in model.model_fields.values():
        for kind in _kinds(field.annotation):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from _models_in(kind)


def _kinds(annotation: object) -> tuple[object, ...]:
    if get_origin(annotation) in (Union, UnionType):
        return get_args(annotation)
    return (annotation,)
