"""Area C of the kit: each way to introduce oneself wrongly is seen by its case."""

import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from gateway_core import Capabilities, Claim, Credential, ProviderInfo, hookimpl
from gateway_core.testing.case import Case
from gateway_core.testing.cases.contract import AREA
from gateway_core.testing.installation import entry_point_of, is_bounded
from gateway_core.testing.subject import Subject
from gateway_core.testing.suite import CASES, run_case
from gateway_demo.plugin import DemoProvider
from support.about import each
from support.harp import Harp, harp_subject

BY_ID = {case.id: case for case in AREA.cases}
STRICT = ConfigDict(extra="forbid", frozen=True)


def introducing(**facts: Any) -> Subject:
    """A provider that says this of itself."""

    class Introducing(Harp):
        @hookimpl
        def gateway_provider(self) -> ProviderInfo:
            return replace(super().gateway_provider(), **facts)

    return harp_subject(Introducing)


def capable(**words: Any) -> Subject:
    """A provider with these capabilities."""
    return introducing(capabilities=replace(Capabilities(), **words))


class Lax(BaseModel):
    """Takes anything and may be changed."""

    region: str = Field(default="north", description="where it is")


class Demanding(BaseModel):
    """Needs a value."""

    model_config = STRICT

    region: str = Field(description="where it is")


class Inner(BaseModel):
    """A table in the table."""

    model_config = STRICT

    depth: int = 0


class Silent(BaseModel):
    """Explains nothing."""

    model_config = STRICT

    inner: Inner = Field(default=Inner(), description="further down")


class Careless(BaseModel):
    """Holds a key in a string."""

    model_config = STRICT

    api_key: str | None = Field(default=None, description="the key")


class Careful(BaseModel):
    """Holds a key as keys are held."""

    model_config = STRICT

    api_key: SecretStr | None = Field(default=None, description="the key")
    token_url: str = Field(default="https://x.example", description="where tokens come from")


class Fickle(Harp):
    """Is somebody else each time."""

    def __init__(self) -> None:
        super().__init__()
        self._asked = 0

    @hookimpl
    def gateway_provider(self) -> ProviderInfo:
        self._asked += 1
        return replace(super().gateway_provider(), title=f"Harp {self._asked}")


class AwaitedClaim(Harp):
    """Has a pure hook that is none."""

    @hookimpl
    async def gateway_claim(self, name: str) -> Claim | None:  # type: ignore[override]
        return None


class PlainModels(Harp):
    """Has an asynchronous hook that is none."""

    @hookimpl
    def gateway_models(self) -> list[Any]:  # type: ignore[override]
        return []


class StreamedLogin(Harp):
    """Yields where it should return."""

    @hookimpl
    async def gateway_login(self) -> AsyncIterator[Credential]:  # type: ignore[override]
        return
        yield


class Greedy(Harp):
    """Takes whatever comes."""

    @hookimpl
    def gateway_claim(self, name: str, **rest: object) -> Claim | None:
        return None


class Presumptuous(Harp):
    """Wants what the specification does not have."""

    @hookimpl
    def gateway_claim(self, name: str, account: str) -> Claim | None:  # type: ignore[override]
        return None


class Hopeful(Harp):
    """Gives a default to what is always there."""

    @hookimpl
    def gateway_claim(self, name: str, settings: object = None) -> Claim | None:
        return None


class WithoutRefresh(DemoProvider):
    """Logs in and never again."""

    @hookimpl
    def gateway_provider(self) -> ProviderInfo:
        return replace(super().gateway_provider(), login="key")

    @hookimpl
    async def gateway_login(self) -> Credential:
        raise NotImplementedError


class UselessLogin(Harp):
    """Needs no login and has one."""

    @hookimpl
    def gateway_provider(self) -> ProviderInfo:
        return replace(super().gateway_provider(), login="none")


class StartsAThread(Harp):
    """Works while it is made."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self.ended.wait, args=(5,), name="harpist")
        self._thread.daemon = True
        self._thread.start()


FAULTS: list[tuple[str, str, Subject, str]] = [
    ("C01", "contract", introducing(contract=99), "written for contract 99"),
    ("C02", "fickle", harp_subject(Fickle), "asked twice, it introduces itself differently"),
    ("C02", "id", introducing(id="harp-"), "the id 'harp-' is not"),
    ("C02", "title", introducing(title=" "), "the title is ' '"),
    ("C02", "login", introducing(login="phone"), "the login is 'phone', not one of"),
    ("C02", "host", introducing(hosts=("https://a.example",)), "is no bare host name"),
    ("C02", "path", introducing(hosts=("a.example/v1",)), "is no bare host name"),
    ("C02", "hosts", introducing(hosts="a.example"), "hosts is a string"),
    ("C03", "input", capable(input=frozenset({"text", "pdf"})), "input has pdf"),
    ("C03", "efforts", capable(efforts=("high", "low")), "efforts are not ascending"),
    ("C03", "sampling", capable(sampling=frozenset({"max_tokens"})), "sampling has max_tokens"),
    ("C03", "choice", capable(tool_choice=frozenset({"any"})), "tool_choice has any"),
    ("C03", "output", capable(output=frozenset({"xml"})), "output has xml"),
    ("C04", "lax", introducing(settings=Lax), "Lax takes unknown keys; Lax is not frozen"),
    ("C05", "silent", introducing(settings=Silent), "depth has no description"),
    ("C05", "secret", introducing(settings=Careless), "api_key is a plain string"),
    ("C06", "pure", harp_subject(AwaitedClaim), "gateway_claim is `async def`"),
    ("C06", "plain", harp_subject(PlainModels), "gateway_models is a plain `def`"),
    ("C06", "generator", harp_subject(StreamedLogin), "gateway_login is an asynchronous generator"),
    ("C07", "rest", harp_subject(Greedy), "gateway_claim takes **rest"),
    ("C07", "unknown", harp_subject(Presumptuous), "gateway_claim takes 'account'; there are"),
    ("C07", "default", harp_subject(Hopeful), "a default for 'settings'"),
    ("C08", "refresh", Subject(make=WithoutRefresh), "it lacks gateway_refresh"),
    ("C08", "useless", harp_subject(UselessLogin), "login is 'none', but it implements"),
    ("C11", "thread", harp_subject(StartsAThread), "making it starts the thread 'harpist'"),
    ("C12", "word", introducing(id="all"), "all is a word of the core"),
]


# C11 takes a process; the demo provider passes it in `tests/demo`.
@each("case", [case for case in AREA.cases if case.id != "C11"])
def test_an_honest_provider_passes(case: Case) -> None:
    result = run_case(case, Subject(make=DemoProvider))
    assert (result.outcome, result.detail) in {
        ("passed", ""),
        ("skipped", "the provider has no login"),
    }


@pytest.mark.parametrize(
    ("id", "subject", "seen"),
    [pytest.param(id, *rest, id=f"{id}-{fault}") for id, fault, *rest in FAULTS],
)
def test_a_faulty_introduction_is_seen(id: str, subject: Subject, seen: str) -> None:
    result = run_case(BY_ID[id], subject)
    assert result.outcome == "failed"
    assert seen in result.detail


def test_every_case_of_the_area_is_in_the_suite_and_all_are_static() -> None:
    assert {case.id for case in CASES if case.area == AREA.title} == BY_ID.keys()
    assert all(case.static for case in AREA.cases)


def test_settings_that_need_values_are_named() -> None:
    result = run_case(BY_ID["C04"], introducing(settings=Demanding))
    assert result.outcome == "failed"
    assert "region" in result.detail


def test_a_wrapped_secret_is_no_plain_string() -> None:
    assert run_case(BY_ID["C05"], introducing(settings=Careful)).outcome == "passed"


def test_a_plugin_that_is_not_installed_is_told_how() -> None:
    result = run_case(BY_ID["C09"], harp_subject())
    assert (result.outcome, "pip install" in result.detail) == ("skipped", True)


def test_an_installed_plugin_is_found_by_its_class() -> None:
    entry = entry_point_of(DemoProvider)
    assert entry is not None
    assert (entry.name, entry.dist and entry.dist.name) == ("demo", "gateway-demo")


@each(
    "requirement, bounded",
    [
        ("gateway-core>=0.1,<0.2", True),
        ("gateway-core==0.1.0", True),
        ("gateway_core~=0.1", True),
        ("gateway-core[testing] <1; python_version > '3'", True),
        ("gateway-core", False),
        ("gateway-core>=0.1", False),
        ("gateway-core-extras<1", None),
        ("httpx<1", None),
    ],
)
def test_bounds_of_the_core_are_read(requirement: str, bounded: bool | None) -> None:
    assert is_bounded([requirement]) is bounded


NOISY = """
import socket
from support.harp import Harp

with open({file!r}) as file:
    file.read()
try:
    socket.create_connection(("127.0.0.1", 9), 0.2)
except OSError:
    pass

class Noisy(Harp):
    pass
"""


def test_what_a_module_does_when_imported_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "auth.json").write_text("{}")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "noisy_plugin.py").write_text(NOISY.format(file=str(home / "auth.json")))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.syspath_prepend(tmp_path / "code")
    import noisy_plugin  # type: ignore[import-not-found]

    result = run_case(BY_ID["C11"], harp_subject(noisy_plugin.Noisy))
    assert result.outcome == "failed"
    assert "it opens ~/auth.json" in result.detail
    assert "it uses the network" in result.detail
