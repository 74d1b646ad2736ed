"""Area M of the kit: each way to get model lists and claims wrong is seen by its case."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import httpx
import pytest

from gateway_core import Capabilities, Claim, Credential, Model, hookimpl
from gateway_core.testing.case import Case
from gateway_core.testing.cases.models import AREA
from gateway_core.testing.subject import Subject
from gateway_core.testing.suite import CASES, run_case
from support.about import each
from support.harp import Harp, HarpVendor, harp_subject, key_harp_subject

BY_ID = {case.id: case for case in AREA.cases}
GOOD = Model("m-1", title="M 1", context_window=100_000)


def listing(*models: Model) -> Subject:
    """A provider with these models."""

    class Listing(Harp):
        @hookimpl
        async def gateway_models(self) -> Sequence[Model]:
            return models

    return harp_subject(Listing)


def model(**facts: Any) -> Subject:
    """A provider with a good model and one that has these facts."""
    return listing(GOOD, replace(GOOD, id="m-2", **facts))


class Trusting(Harp):
    """Believes that the vendor always answers with a list."""

    async def fetch(self, http: httpx.AsyncClient) -> Sequence[Model]:
        answer = await http.get("https://api.harp.example/models")
        return [Model(item["id"], title="x", context_window=1) for item in answer.json()["data"]]


class AsksTheVendor(Trusting):
    """Fetches its list with a login only, and trustingly."""

    @hookimpl
    # Hooks may take any subset of the arguments.
    async def gateway_models(  # type: ignore[override]
        self, credential: Credential | None, http: httpx.AsyncClient
    ) -> Sequence[Model]:
        return [GOOD] if credential is None else await self.fetch(http)


class Restless(Harp):
    """Lists another name each time."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers = itertools.count()

    @hookimpl
    async def gateway_models(self) -> Sequence[Model]:
        return [replace(GOOD, id=f"m-{next(self._numbers)}")]


class SplitsNames(Harp):
    """Believes that each name has two parts."""

    @hookimpl
    def gateway_claim(self, name: str) -> Claim | None:
        family, number = name.split("-", 1)
        return Claim(f"{family}-{number}") if family == "harp" else None


class ClaimsEverything(Harp):
    """Passes every name on."""

    @hookimpl
    def gateway_claim(self, name: str) -> Claim | None:
        return Claim(name) if name.strip().isprintable() and name.strip() else None


class ClaimsNothingness(Harp):
    """Cuts the suffix off, whatever is left."""

    @hookimpl
    def gateway_claim(self, name: str) -> Claim | None:
        return Claim("") if name.endswith("-high") else None


class DoubledVendor(HarpVendor):
    """A vendor that lists a model twice."""

    def other(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"data": [{"id": "a b"}]})


FAULTS: list[tuple[str, str, Subject, str]] = [
    ("M01", "alias twice", model(aliases=("m-1",)), "'m-1' stands for 2 models"),
    ("M02", "blank", model(aliases=("m 2",)), "'m 2' has blanks"),
    ("M02", "comma", model(aliases=("m,2",)), "'m,2' has blanks, commas"),
    ("M02", "prefix", model(aliases=("codex/m-2",)), "asks the provider codex"),
    ("M03", "title", model(title=None), "m-2: the title is missing"),
    ("M03", "no window", listing(replace(GOOD, context_window=None)), "no model tells"),
    ("M03", "window", model(context_window=0), "m-2: context_window is 0"),
    ("M03", "output", model(max_output_tokens=-1), "m-2: max_output_tokens is -1"),
    ("M03", "text", model(input=("image",)), "m-2: input lacks text"),
    ("M03", "kind", model(input=("text", "pdf")), "m-2: input has pdf; known are"),
    ("M03", "refused", model(input=("text", "image")), "image, which its capabilities refuse"),
    ("M03", "effort", model(efforts=("tiny",)), "m-2: efforts have tiny; known are"),
    ("M03", "order", model(efforts=("high", "low")), "m-2: efforts are not ascending"),
    ("M03", "default", model(default_effort="low"), "'low' is none of its efforts"),
    (
        "M03",
        "capabilities",
        model(capabilities=Capabilities(sampling=frozenset({"heat"}))),
        "m-2: sampling has heat",
    ),
    ("M04", "trusting", harp_subject(AsksTheVendor), "answered with null, with a login: "),
    ("M05", "restless", harp_subject(Restless), "asked twice, the plugin lists other models"),
    ("M06", "live", harp_subject(AsksTheVendor, DoubledVendor), "'a b' has blanks"),
    ("M07", "raises", harp_subject(SplitsNames), "'': Internal: "),
    ("M07", "nothing", harp_subject(ClaimsNothingness), "which is no model"),
    ("M08", "everything", harp_subject(ClaimsEverything), "'zq7-conformance-unheard-of'"),
]


@each("case", AREA.cases)
@each("subject", [harp_subject(), key_harp_subject()])
def test_honest_models_pass(case: Case, subject: Subject) -> None:
    result = run_case(case, subject)
    assert (result.outcome, result.detail) == ("passed", "")


@pytest.mark.parametrize(
    ("id", "subject", "seen"),
    [pytest.param(id, *rest, id=f"{id}-{fault}") for id, fault, *rest in FAULTS],
)
def test_faulty_models_are_seen(id: str, subject: Subject, seen: str) -> None:
    result = run_case(BY_ID[id], subject)
    assert result.outcome == "failed"
    assert seen in result.detail


def test_every_case_of_the_area_is_in_the_suite_and_has_a_planted_fault() -> None:
    ids = {case.id for case in CASES if case.area == AREA.title}
    assert ids == BY_ID.keys() == {id for id, *_ in FAULTS}


def test_a_provider_that_lists_nothing_offline_is_told_what_to_give() -> None:
    result = run_case(BY_ID["M01"], listing())
    assert result.outcome == "skipped"
    assert "override `models`" in result.detail
