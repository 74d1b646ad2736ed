"""The models of the Codex backend: the registry, the live list, and what names mean."""

import httpx
import pytest
from inline_snapshot import snapshot

from gateway_codex.models import STATIC_MODELS, find_model, parse_name, read_models
from gateway_codex.plugin import CodexProvider
from gateway_codex.settings import CodexSettings, FamilyModels
from gateway_core import Claim, Model, Route, Unauthorized, UpstreamProtocol
from simulators.codex.catalogue import MODELS, describe
from support.about import each
from support.codex_asking import CREDENTIAL

FAMILIES = FamilyModels()
NAMES = [model.id for model in STATIC_MODELS]
LIVE = {"models": [describe(facts, place) for place, facts in enumerate(MODELS.values())]}


def test_the_registry_names_every_known_model() -> None:
    assert (
        snapshot(
            [
                "gpt-5.5",
                "gpt-5.5-mini",
                "gpt-5.4",
                "gpt-5.4-mini",
                "gpt-5.6-sol",
                "gpt-5.6-terra",
                "gpt-5.6-luna",
                "gpt-6.1-sol",
                "gpt-6-sol",
                "gpt-6-luna",
                "gpt-6-astra",
                "gpt-5.3-codex",
                "gpt-5.3-codex-spark",
                "gpt-5.2",
                "gpt-5.2-codex",
                "gpt-5.1",
                "gpt-5.1-codex-max",
                "gpt-5.1-codex-mini",
            ]
        )
        == NAMES
    )


def test_a_listed_model_says_what_it_takes() -> None:
    model = STATIC_MODELS[0]
    assert (model.context_window, model.max_output_tokens) == (272_000, 128_000)
    assert (model.efforts, model.default_effort) == (("low", "medium", "high", "xhigh"), "medium")
    assert model.input == ("text", "image", "document")
    assert model.capabilities is not None
    assert model.capabilities.sampling == frozenset()
    assert model.capabilities.custom_tools
    assert model.capabilities.native_compaction


def test_a_model_without_eyes_takes_text_alone() -> None:
    spark = STATIC_MODELS[NAMES.index("gpt-5.3-codex-spark")]
    assert spark.input == ("text",)
    assert spark.capabilities is not None
    assert spark.capabilities.input == frozenset({"text"})


@each(
    "name, model, options",
    [
        ("gpt-5.5", "gpt-5.5", {}),
        ("gpt-5.5-fast", "gpt-5.5", {"tier": "priority"}),
        ("gpt-5.5-high", "gpt-5.5", {"effort": "high"}),
        ("gpt-5.5_high", "gpt-5.5", {"effort": "high"}),
        ("gpt-5.5(xhigh)", "gpt-5.5", {"effort": "xhigh"}),
        ("gpt-5.5(8192)", "gpt-5.5", {"effort": "medium"}),
        ("gpt-5.5(32000)", "gpt-5.5", {"effort": "xhigh"}),
        ("gpt-5.4-mini_low", "gpt-5.4-mini", {"effort": "low"}),
        ("gpt-5.1_none", "gpt-5.1", {"effort": "none"}),
        ("gpt-5.5-fast-high", "gpt-5.5", {"tier": "priority", "effort": "high"}),
        ("gpt-5.5-high-fast", "gpt-5.5", {"tier": "priority", "effort": "high"}),
        ("gpt-6-astra-ultrafast", "gpt-6-astra", {"tier": "ultrafast"}),
        ("gpt-5.6-sol-ultra", "gpt-5.6-sol", {"effort": "max"}),
        ("gpt-5.1-codex-max", "gpt-5.1-codex-max", {}),
        ("gpt-5.1-codex-max-xhigh", "gpt-5.1-codex-max", {"effort": "xhigh"}),
        ("openai/gpt-5.5", "gpt-5.5", {}),
        ("gpt-5.5-latest", "gpt-5.5", {}),
        ("codex-auto-review", "codex-auto-review", {}),
        ("gpt-7-nova-high", "gpt-7-nova", {"effort": "high"}),
        ("opus", "gpt-5.5", {}),
        ("claude-opus-4-7", "gpt-5.5", {}),
        ("claude-opus-4-7-high", "gpt-5.5", {"effort": "high"}),
        ("fable", "gpt-5.5", {}),
        ("claude-sonnet-4-6", "gpt-5.4", {}),
        ("claude-3-5-sonnet-20241022", "gpt-5.4", {}),
        ("haiku", "gpt-5.4-mini", {}),
        ("claude-haiku-4-5-20251001", "gpt-5.4-mini", {}),
    ],
)
def test_what_a_name_means(name: str, model: str, options: dict[str, str]) -> None:
    assert parse_name(name, FAMILIES) == Claim(model, options)


@each("name", ["gpt-4.1", "gpt-4o-high", "claude-2", "opusculum", "grok-4", "o3", "", "-high"])
def test_names_of_others_are_declined(name: str) -> None:
    assert parse_name(name, FAMILIES) is None


def test_families_mean_what_the_settings_say() -> None:
    families = FamilyModels(opus="gpt-5.6-sol-xhigh", sonnet="my-own", haiku="")
    assert parse_name("claude-opus-5", families) == Claim("gpt-5.6-sol", {"effort": "xhigh"})
    assert parse_name("opus-low", families) == Claim("gpt-5.6-sol", {"effort": "low"})
    assert parse_name("sonnet", families) == Claim("my-own")
    assert parse_name("haiku", families) is None


def test_the_plugin_claims_by_its_settings() -> None:
    settings = CodexSettings.model_validate({"models": {"haiku": "gpt-5.6-luna"}})
    assert CodexProvider().gateway_claim("haiku", settings) == Claim("gpt-5.6-luna")


def test_the_live_list_leaves_out_what_is_hidden() -> None:
    models = read_models(LIVE)
    assert [model.id for model in models] == [
        facts.slug for facts in MODELS.values() if not facts.hidden
    ]


@each("place", range(7))
def test_the_live_list_tells_what_the_registry_tells(place: int) -> None:
    live = read_models(LIVE)[place]
    static = STATIC_MODELS[NAMES.index(live.id)]
    assert (live.context_window, live.efforts, live.default_effort, live.private, live.input) == (
        static.context_window,
        static.efforts,
        static.default_effort,
        static.private,
        static.input,
    )


def test_a_list_remembered_on_disk_keeps_the_lane() -> None:
    sol = next(model for model in read_models(LIVE) if model.id == "gpt-5.6-sol")
    moved = {**LIVE["models"][4], "use_responses_lite": False}
    (full,) = read_models({"models": [moved]})
    assert find_model(Route("codex", sol.id, sol.id, {}, sol), sol.id).lane == "lite"
    assert find_model(Route("codex", sol.id, sol.id, {}, full), sol.id).lane == "full"


@each(
    "slug, lane",
    [
        ("gpt-5.5", "full"),
        ("gpt-5.9-sol", "lite"),
        ("gpt-5.10", "lite"),
        ("gpt-7-luna", "lite-only"),
        ("gpt-5", "full"),
        ("my-own", "full"),
    ],
)
def test_the_lane_of_an_unlisted_model_is_told_by_its_name(slug: str, lane: str) -> None:
    assert find_model(Route("codex", slug, slug), slug).lane == lane


def test_entries_that_cannot_be_read_are_skipped() -> None:
    odd = [{"slug": "gpt-8", "supported_reasoning_levels": None, "context_window": "?"}, 7, {}]
    (model,) = read_models({"models": odd})
    assert (model.id, model.title, model.context_window) == ("gpt-8", "gpt-8", None)


@each("body", [{}, [], None, {"models": []}, {"models": [{}]}])
def test_an_empty_list_is_an_error(body: object) -> None:
    with pytest.raises(UpstreamProtocol, match="model list"):
        read_models(body)


def answering(response: httpx.Response, seen: list[httpx.Request]) -> httpx.AsyncClient:
    """A client whose every request gets this answer."""

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return response

    return httpx.AsyncClient(transport=httpx.MockTransport(answer))


async def list_models(response: httpx.Response, seen: list[httpx.Request]) -> list[Model]:
    async with answering(response, seen) as http:
        models = await CodexProvider().gateway_models(CREDENTIAL, http, CodexSettings())
    return list(models)


async def test_the_live_list_is_asked_in_the_name_of_the_account() -> None:
    seen: list[httpx.Request] = []
    models = await list_models(httpx.Response(200, json=LIVE), seen)
    assert len(models) == 7
    (request,) = seen
    assert str(request.url) == (
        "https://chatgpt.com/backend-api/codex/models?client_version=0.169.0"
    )
    assert request.headers["authorization"] == "Bearer access-token-of-ann"
    assert request.headers["chatgpt-account-id"] == CREDENTIAL.account
    assert request.headers["originator"] == "gateway"


async def test_a_refused_login_and_a_strange_list_are_told_apart() -> None:
    with pytest.raises(Unauthorized):
        await list_models(httpx.Response(401, json={"error": {"code": "token_expired"}}), [])
    with pytest.raises(UpstreamProtocol):
        await list_models(httpx.Response(200, text="<html>"), [])


async def test_without_a_login_the_list_is_static() -> None:
    async with answering(httpx.Response(500), []) as http:
        models = await CodexProvider().gateway_models(None, http, CodexSettings())
    assert models == STATIC_MODELS
