"""Area M: model lists, and the names a provider claims besides."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import entry_points
from typing import Final

import httpx

from gateway_core.credentials.store import Credential
from gateway_core.errors import GatewayError, Internal
from gateway_core.hookspecs import PROJECT
from gateway_core.provider import Model
from gateway_core.relay import Relay
from gateway_core.testing.attempt import attempt
from gateway_core.testing.case import Area, Findings, NotApplicable, Violation
from gateway_core.testing.cases.login import scripted_vendor
from gateway_core.testing.credentials import fake_credential
from gateway_core.testing.offline import ask_models, unreachable
from gateway_core.testing.subject import Subject
from gateway_core.testing.words import INPUTS, problems_of, unknown_efforts

__all__ = ["AREA"]

AREA: Final = Area("M", "models and claims")

_NOBODYS = ("zq7-conformance-unheard-of", "a", "qwertz", "model", "my-own-fine-tune-3")
_ODD = (
    "",
    " ",
    "-",
    "/",
    ":",
    "[1m]",
    "\x00",
    "\n",
    "模型-五",
    "🙂" * 50,
    "a" * 20_000,
    "-".join(["high"] * 2_000),
    "../../etc/passwd",
    "gpt-5.5-high-fast",
    "claude-opus-4-8-20260101[1m]",
    "anthropic/claude-sonnet-5",
    "gemini-3-pro",
    "grok-4",
    "kimi-k2",
    "o3",
    "%s{}{0}",
)
_ANSWERS: Final = (
    ("a web page", 200, "text/html", b"<!doctype html><h1>Log in</h1>"),
    ("an error of its own", 500, "text/html", b"<h1>Internal Server Error</h1>"),
    ("null", 200, "application/json", b"null"),
    ("an empty object", 200, "application/json", b"{}"),
    ("a list of nonsense", 200, "application/json", b'[1, "x", null]'),
    ("data of nonsense", 200, "application/json", b'{"data":[1,null,{"id":7}],"models":[null]}'),
    ("broken JSON", 200, "application/json", b'{"data": [{"id": "x'),
    ("nothing", 200, "application/json", b""),
    ("a refusal", 401, "application/json", b'{"error":{"message":"who are you?"}}'),
)


@AREA.case(
    1,
    rule="Each id and alias stands for one model.",
    why="Of two models with one name only the first can be asked, and clients show both.",
    cure="Drop repeated ids and aliases while the list is read.",
    static=True,
)
def names_are_unique(subject: Subject) -> None:
    _settle(_shared_names(subject.models))


@AREA.case(
    2,
    rule="Ids and aliases are names that clients can send and people can type.",
    why="Settings and commands split lists at commas and blanks, and `other/model` asks the other "
    "provider.",
    cure="Leave out what is no name, or list it under another id and keep the vendor's in "
    "`private`.",
    static=True,
)
def names_can_be_typed(subject: Subject) -> None:
    _settle(_odd_names(subject.models, subject.info.id))


@AREA.case(
    3,
    rule="Models tell their title, context window and what they take, as far as that is known, in "
    "known words and sane numbers.",
    why="Clients decide by it when to compact and what to attach; a wrong number loses a "
    "conversation.",
    cure="Fill in Model(title=, context_window=, max_output_tokens=, input=, efforts=, "
    "default_effort=) in the list that needs no network.",
    static=True,
)
def facts_are_present(subject: Subject) -> None:
    wrong = _wrong_facts(subject, subject.models)
    wrong += [f"{model.id}: the title is missing" for model in subject.models if not model.title]
    if all(model.context_window is None for model in subject.models):
        wrong.append("no model tells its context window")
    _settle(wrong)


@AREA.case(
    4,
    rule="A list that cannot be fetched is a GatewayError, or the list that needs no network.",
    why="Anything else is a bug in the log of everybody whose network or vendor is away.",
    cure="Let httpx's errors through, look at the status first, and raise UpstreamProtocol for a "
    "body that is not what you expect.",
    static=True,
)
def no_network_is_no_bug(subject: Subject) -> None:
    findings = Findings()
    relay = subject.relay
    for whose, credential in _credentials(subject):
        with findings.about(f"without a network, {whose}"):
            _ask(relay, credential, unreachable())
        for what, status, kind, body in _ANSWERS:
            with findings.about(f"answered with {what}, {whose}"):
                _ask(relay, credential, _always(status, kind, body))
    findings.settle()


@AREA.case(
    5,
    rule="The list that needs no network is the same each time.",
    why="A model that comes and goes takes the conversations on it along.",
    cure="Return a constant, or build the list from settings alone.",
    static=True,
)
def the_list_is_stable(subject: Subject) -> None:
    relays = (subject.relay, subject.relay, subject.fresh_relay())
    lists = [_ask(relay, None, unreachable()) for relay in relays]
    if not any(lists):
        raise NotApplicable("no model is listed offline")
    if lists[0] != lists[1]:
        raise Violation("asked twice, the plugin lists other models, or in another order")
    if lists[0] != lists[2]:
        raise Violation("a second object of the plugin lists other models, or in another order")


@AREA.case(
    6,
    rule="What a login lists at the vendor keeps the rules of names and facts, too.",
    why="The live list replaces the other one as soon as somebody is logged in.",
    cure="Read the vendor's list leniently: skip what has no id, drop what is double.",
)
def the_live_list_is_sound(subject: Subject) -> None:
    models = asyncio.run(_live(subject))
    wrong = _shared_names(models) + _odd_names(models, subject.info.id)
    _settle(wrong + _wrong_facts(subject, models))


@AREA.case(
    7,
    rule="A claim raises for no name whatever, and gives a model to ask for.",
    why="Each name that no list holds goes through every provider's claim: one that raises is "
    "logged at each turn.",
    cure="Return None for what you do not understand.",
    static=True,
)
def claims_take_any_name(subject: Subject) -> None:
    findings = Findings()
    listed = [name for model in subject.models for name in (model.id, *model.aliases)]
    grown = [f"{name}{suffix}" for name in listed[:5] for suffix in ("-high", "[1m]", "-", "-x-y")]
    for name in (*_ODD, *_NOBODYS, *listed, *grown):
        shown = repr(name if len(name) <= 30 else f"{name[:30]}...")
        with findings.about(shown):
            claim = subject.relay.claim(name)
            if claim is None:
                continue
            if not claim.model.strip() or not claim.model.isprintable():
                raise Violation(f"is claimed as {claim.model[:30]!r}, which is no model")
            if claim != subject.relay.claim(name):
                raise Violation("is claimed as something else the second time")
    findings.settle()


@AREA.case(
    8,
    rule="A name that nobody has heard of is not claimed.",
    why="A provider that claims everything takes the names of all others, and typing errors "
    "become its errors.",
    cure="Claim only names that look like your vendor's.",
    static=True,
)
def not_everything_is_claimed(subject: Subject) -> None:
    listed = {name for model in subject.models for name in (model.id, *model.aliases)}
    claimed = [
        name for name in _NOBODYS if name not in listed and subject.relay.claim(name) is not None
    ]
    if _NOBODYS[0] in claimed:
        raise Violation(f"it claims {', '.join(map(repr, claimed))}")


def _settle(problems: Sequence[str]) -> None:
    if problems:
        shown = "; ".join(problems[:8])
        more = f"; and {len(problems) - 8} more" if len(problems) > 8 else ""
        raise Violation(shown + more)


def _shared_names(models: Sequence[Model]) -> list[str]:
    names = Counter(name for model in models for name in (model.id, *model.aliases))
    return [f"{name!r} stands for {count} models" for name, count in names.items() if count > 1]


def _odd_names(models: Sequence[Model], own: str) -> list[str]:
    others = {entry.name for entry in entry_points(group=PROJECT)} - {own}
    problems = []
    for name in (name for model in models for name in (model.id, *model.aliases)):
        if not name.isprintable() or any(char.isspace() or char in ",;\"'" for char in name):
            problems.append(f"{name!r} has blanks, commas, quotes or control characters")
        elif (prefix := name.partition("/")[0]) != name and prefix in others:
            problems.append(f"{name!r} asks the provider {prefix}")
    return problems


def _wrong_facts(subject: Subject, models: Sequence[Model]) -> list[str]:
    return [
        f"{model.id}: {problem}" for model in models for problem in _problems_of(subject, model)
    ]


def _problems_of(subject: Subject, model: Model) -> list[str]:
    can = model.capabilities or subject.info.capabilities
    problems = [] if model.capabilities is None else problems_of(model.capabilities)
    for name in ("context_window", "max_output_tokens"):
        number = getattr(model, name)
        if number is not None and (type(number) is not int or number <= 0):
            problems.append(f"{name} is {number!r}")
    if "text" not in model.input:
        problems.append("input lacks text")
    if unknown := sorted(set(model.input) - INPUTS):
        problems.append(f"input has {', '.join(unknown)}; known are {', '.join(sorted(INPUTS))}")
    elif refused := sorted(set(model.input) - can.input):
        problems.append(f"input has {', '.join(refused)}, which its capabilities refuse")
    problems += unknown_efforts(model.efforts)
    if model.default_effort is not None and model.default_effort not in model.efforts:
        problems.append(f"the default effort {model.default_effort!r} is none of its efforts")
    if model.created is not None and model.created.tzinfo is None:
        problems.append("created has no time zone")
    return problems


def _credentials(subject: Subject) -> list[tuple[str, Credential | None]]:
    if subject.info.login == "none":
        return [("without a login", None)]
    credential = subject.credential or fake_credential(subject.info.id)
    return [("without a login", None), ("with a login", credential)]


def _ask(
    relay: Relay, credential: Credential | None, transport: httpx.AsyncBaseTransport
) -> Sequence[Model]:
    """The list, or none where the plugin says properly that there is none."""
    try:
        return asyncio.run(ask_models(relay, credential, transport))
    except Internal as error:
        raise Violation(error.message) from error
    except GatewayError:
        return []


def _always(status: int, kind: str, body: bytes) -> httpx.AsyncBaseTransport:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, headers={"content-type": kind}, content=body)

    return httpx.MockTransport(answer)


async def _live(subject: Subject) -> Sequence[Model]:
    vendor = scripted_vendor(subject)()
    async with attempt(subject.relay, vendor, next(iter(vendor.methods))) as login:
        await login.follow()
    if login.credential is None:
        raise NotApplicable(f"there is no login to list models with: {login.outcome}")
    try:
        return await ask_models(subject.relay, login.credential, vendor.transport())
    except Internal as error:
        raise Violation(error.message) from error
    except GatewayError as error:
        raise NotApplicable(f"the vendor lists no models: {error.message}") from error
