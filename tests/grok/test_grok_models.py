"""The models of xAI: the registry, the live lists of both hosts, and what names mean."""

from typing import Any

import httpx
import pytest
from inline_snapshot import snapshot

from gateway_core import Claim, GatewayError, JsonObject, Model, UpstreamProtocol
from gateway_core.provider import Route
from gateway_grok.models import STATIC_MODELS, GrokModel, find_model, parse_name, read_models
from gateway_grok.plugin import GrokProvider
from gateway_grok.settings import FamilyModels, GrokSettings
from support.about import each
from support.grok_asking import CREDENTIAL, LISTED

FAMILIES = FamilyModels()
OF_PROXY: JsonObject = {
    "object": "list",
    "data": [
        {
            "id": "grok-4.6",
            "model": "grok-4.6",
            "name": "Grok 4.6",
            "contextWindow": 500000,
            "apiBackend": "responses",
            "supportsReasoningEffort": True,
            "reasoningEffort": "high",
            "reasoningEfforts": [
                {"value": "xhigh", "label": "Extra high"},
                {"value": "high", "label": "High", "default": True},
                {"value": "low", "label": "Low"},
            ],
            "hidden": False,
            "maxCompletionTokens": 65536,
        },
        {"id": "grok-secret", "hidden": True},
        {"id": "claude-like", "apiBackend": "messages"},
        {"name": "nameless"},
        "nonsense",
        {
            "_meta": {"model_id": "grok-4.5-build-free", "context_window": 131072},
            "reasoning_efforts": ["high", "low", "enormous"],
        },
        {"id": "grok-new"},
    ],
}
OF_API: JsonObject = {
    "models": [
        {
            "id": "grok-4.5",
            "created": 1780000000,
            "input_modalities": ["text"],
            "output_modalities": ["text"],
            "aliases": ["grok-4.5-latest", "grok-imagine-image"],
        },
        {"id": "grok-draws", "output_modalities": ["image"]},
        {"id": "grok-sings", "output_modalities": ["audio"]},
    ]
}


def test_the_registry_names_every_known_model() -> None:
    assert [model.id for model in STATIC_MODELS] == snapshot(
        [
            "grok-4.6",
            "grok-4.5",
            "grok-4.3",
            "grok-4.3-fast",
            "grok-4",
            "grok-build-0.1",
            "grok-4.20-0309-reasoning",
            "grok-4.20-0309-non-reasoning",
            "grok-4.20-multi-agent-0309",
            "grok-composer-2.5-fast",
            "grok-3-mini",
            "grok-3-mini-fast",
            "grok-imagine-image",
            "grok-imagine-image-quality",
            "grok-imagine-image-2.0",
        ]
    )


@each(
    "id, window, most, efforts, inputs",
    [
        ("grok-4.6", 500_000, 65_536, ("low", "medium", "high", "xhigh"), ("text", "image")),
        ("grok-4.3", 1_000_000, 65_536, ("none", "low", "medium", "high"), ("text", "image")),
        ("grok-build-0.1", 256_000, 256_000, (), ("text", "image")),
        ("grok-4.20-0309-reasoning", 2_000_000, 65_536, (), ("text", "image")),
        ("grok-composer-2.5-fast", 200_000, 32_768, (), ("text",)),
    ],
)
def test_what_is_known_of_a_model(
    id: str, window: int, most: int, efforts: tuple[str, ...], inputs: tuple[str, ...]
) -> None:
    model = LISTED[id]
    assert (model.context_window, model.max_output_tokens) == (window, most)
    assert (model.efforts, model.input) == (efforts, inputs)
    assert model.capabilities is not None
    assert model.capabilities.efforts == efforts
    assert ("image" in model.capabilities.input) == ("image" in inputs)


def test_a_painter_does_nothing_but_paint() -> None:
    model = LISTED["grok-imagine-image"]
    assert model.capabilities is not None
    assert model.capabilities.hosted_tools == {"image_generation"}
    assert model.capabilities.sampling == frozenset()


def listed(body: JsonObject) -> dict[str, Model]:
    return {model.id: model for model in read_models(body)}


def test_the_list_of_the_proxy() -> None:
    models = listed(OF_PROXY)
    assert list(models)[:3] == ["grok-4.6", "grok-4.5-build-free", "grok-new"]
    newest, free, new = list(models.values())[:3]
    assert (newest.title, newest.context_window) == ("Grok 4.6", 500_000)
    assert newest.max_output_tokens == 65_536
    assert (newest.efforts, newest.default_effort) == (("low", "high", "xhigh"), "high")
    assert (free.context_window, free.efforts) == (131_072, ("low", "high"))
    assert (new.title, new.context_window, new.efforts) == ("grok-new", 256_000, ())


def test_the_list_of_the_public_api() -> None:
    models = listed(OF_API)
    model = models["grok-4.5"]
    assert (model.context_window, model.efforts) == (500_000, ("low", "medium", "high"))
    assert model.input == ("text",)
    assert model.created is not None
    assert model.created.year == 2026
    assert models["grok-draws"].private == {"paints": "yes"}
    assert "grok-sings" not in models


def test_image_models_are_always_there_and_ids_win_over_aliases() -> None:
    models = listed(OF_API)
    assert models["grok-4.5"].aliases == ("grok-4.5-latest",)
    assert "grok-imagine-image" in models
    assert "grok-imagine-image-quality" in models


@each(
    "fields, efforts",
    [
        ({"id": "grok-x", "supportsReasoningEffort": True}, ("low", "medium", "high")),
        ({"id": "grok-4.5", "supportsReasoningEffort": False}, ()),
        ({"id": "grok-4.5"}, ("low", "medium", "high")),
        ({"id": "grok-x", "reasoningEfforts": "all"}, ()),
    ],
)
def test_efforts_are_read_leniently(fields: JsonObject, efforts: tuple[str, ...]) -> None:
    (model, *_) = read_models({"data": [fields]})
    assert model.efforts == efforts


@each("body", [None, [], {}, {"data": []}, {"data": [{"hidden": True}]}])
def test_a_list_without_models_is_refused(body: Any) -> None:
    with pytest.raises(UpstreamProtocol):
        read_models(body)


def test_what_a_live_list_says_of_a_model_counts() -> None:
    info = listed(OF_PROXY)["grok-4.6"]
    found = find_model(Route("grok", "grok-4.6", "grok-4.6", model_info=info), "grok-4.6")
    assert found.efforts == ("low", "high", "xhigh")
    assert find_model(Route("grok", "x", "x"), "grok-4.3").window == 1_000_000
    assert find_model(Route("grok", "x", "x"), "grok-9") == GrokModel("grok-9", "grok-9", None)


# --- names --------------------------------------------------------------------------------------


@each(
    "name, claim",
    [
        ("grok-4.5", Claim("grok-4.5")),
        ("grok-4.5-latest", Claim("grok-4.5")),
        ("xai/grok-4.5", Claim("grok-4.5")),
        ("grok-4.5-high", Claim("grok-4.5", {"effort": "high"})),
        ("grok-4.6_max", Claim("grok-4.6", {"effort": "max"})),
        ("grok-4.5(low)", Claim("grok-4.5", {"effort": "low"})),
        ("grok-4.5(4096)", Claim("grok-4.5", {"effort": "low"})),
        ("grok-4.5(16384)", Claim("grok-4.5", {"effort": "medium"})),
        ("grok-4.5(20000)", Claim("grok-4.5", {"effort": "high"})),
        ("grok-5-code", Claim("grok-5-code")),
        ("grok-4-0709", Claim("grok-4-0709")),
        ("opus", Claim("grok-4.5")),
        ("claude-sonnet-4-6", Claim("grok-4.5")),
        ("claude-haiku-4-5-20251001", Claim("grok-build-0.1")),
        ("claude-opus-4-7-high", Claim("grok-4.5", {"effort": "high"})),
        ("gpt-5.5", None),
        ("claude-instant", None),
    ],
)
def test_what_a_name_means(name: str, claim: Claim | None) -> None:
    assert parse_name(name, FAMILIES) == claim


def test_families_are_as_the_settings_say() -> None:
    families = FamilyModels(opus="grok-4.6-xhigh", haiku="", sonnet="my-model")
    assert parse_name("opus", families) == Claim("grok-4.6", {"effort": "xhigh"})
    assert parse_name("sonnet", families) == Claim("my-model")
    assert parse_name("haiku", families) is None
    claim = GrokProvider().gateway_claim("haiku", GrokSettings(models=families))
    assert claim is None


# --- where the list is asked for ----------------------------------------------------------------

DENIED = httpx.Response(403, json={"code": "permission-denied", "error": "No."})


async def asked(
    answers: dict[str, httpx.Response], **settings: Any
) -> tuple[list[str], list[Model]]:
    """The addresses that were asked, and the list."""
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        assert ("x-xai-token-auth" in request.headers) == (request.url.host != "api.x.ai")
        return answers[request.url.host]

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        provider, wanted = GrokProvider(), GrokSettings(**settings)
        models = await provider.gateway_models(CREDENTIAL, http, wanted)
    return seen, list(models)


PROXY_URL = "https://cli-chat-proxy.grok.com/v1/models"
API_URL = "https://api.x.ai/v1/language-models"
PROXY_HOST, API_HOST = "cli-chat-proxy.grok.com", "api.x.ai"


async def test_the_proxy_is_asked_for_the_list() -> None:
    urls, models = await asked({PROXY_HOST: httpx.Response(200, json=OF_PROXY)})
    assert (urls, models[0].id) == ([PROXY_URL], "grok-4.6")


async def test_the_public_api_is_asked_when_the_proxy_refuses_or_the_settings_say_so() -> None:
    answers = {PROXY_HOST: DENIED, API_HOST: httpx.Response(200, json=OF_API)}
    urls, models = await asked(answers)
    assert (urls, models[0].id) == ([PROXY_URL, API_URL], "grok-4.5")
    assert (await asked(answers, rail="api"))[0] == [API_URL]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (httpx.Response(401, json={"error": "No."}), "refused the login"),
        (httpx.Response(500, json={"error": "Oops."}), "Oops"),
        (httpx.Response(200, content=b"<html>"), "no JSON"),
    ],
)
async def test_a_list_that_does_not_come_is_told(answer: httpx.Response, words: str) -> None:
    with pytest.raises(GatewayError, match=words):
        await asked({PROXY_HOST: answer})


async def test_without_a_login_the_registry_is_the_list() -> None:
    async with httpx.AsyncClient() as http:
        models = await GrokProvider().gateway_models(None, http, GrokSettings())
    assert models == STATIC_MODELS
