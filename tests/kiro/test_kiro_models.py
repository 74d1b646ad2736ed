"""The models of Kiro, and what names mean."""

import pytest

from gateway_core import Claim, JsonObject, Model, Route, UpstreamProtocol
from gateway_core.request import EFFORTS
from gateway_kiro.models import (
    STATIC_MODELS,
    find_model,
    known_window,
    normalise,
    parse_name,
    read_models,
)
from support.about import each
from support.kiro_asking import document

CATALOGUE = document("list-available-models")
LIVE = {model.id: model for model in read_models([CATALOGUE["response"]["body"]])}
STATIC = {model.id: model for model in STATIC_MODELS}
NAMES = [(case["in"], case["out"]) for case in document("model-normalisation")]


@each("name, id", NAMES)
def test_a_documented_name_means_what_is_documented(name: str, id: str) -> None:
    assert normalise(name)[0] == id


@each(
    "name, claim",
    [
        ("claude-opus-4-8-high", Claim("claude-opus-4.8", {"effort": "high"})),
        ("claude-opus-4.8-thinking", Claim("claude-opus-4.8")),
        ("Claude-Sonnet-4-5-20250929", Claim("claude-sonnet-4.5")),
        ("claude-opus-7-1", Claim("claude-opus-7.1")),
        ("opus", Claim("claude-opus-4.8")),
        ("sonnet", Claim("claude-sonnet-4.6")),
        ("haiku", Claim("claude-haiku-4.5")),
        ("deepseek-3-2", Claim("deepseek-3.2")),
        ("auto-kiro", Claim("auto")),
        ("gpt-5-6-sol-low", Claim("gpt-5.6-sol", {"effort": "low"})),
        ("gpt-5.5", None),
        ("claude", None),
        ("gemini-3-pro", None),
    ],
)
def test_names_that_are_not_listed_are_claimed_when_they_are_ours(
    name: str, claim: Claim | None
) -> None:
    assert parse_name(name) == claim


def test_the_static_list_is_the_publicly_known_one() -> None:
    assert [model.id for model in STATIC_MODELS] == [
        "auto",
        "claude-opus-4.8",
        "claude-opus-4.7",
        "claude-opus-4.6",
        "claude-sonnet-4.6",
        "claude-opus-4.5",
        "claude-sonnet-4.5",
        "claude-sonnet-4",
        "claude-haiku-4.5",
        "deepseek-3.2",
        "minimax-m2.5",
        "minimax-m2.1",
        "glm-5",
        "qwen3-coder-next",
    ]


def test_a_model_goes_by_its_other_spellings_too() -> None:
    assert STATIC["claude-haiku-4.5"].aliases == (
        "claude-haiku-4-5",
        "claude-haiku-4-5-20251001",
        "haiku",
    )
    assert STATIC["claude-opus-4.8"].aliases == ("claude-opus-4-8", "opus")
    assert STATIC["auto"].aliases == ()
    names = [name for model in STATIC_MODELS for name in (model.id, *model.aliases)]
    assert len(names) == len(set(names))


def test_the_newest_of_a_family_is_the_newest_of_the_catalogue() -> None:
    entries = [{"modelId": id} for id in ("claude-opus-5", "claude-opus-4.8", "claude-opus-10.1")]
    aliases = {model.id: model.aliases for model in read_models([{"models": entries}])}
    assert aliases["claude-opus-10.1"] == ("claude-opus-10-1", "opus")
    assert aliases["claude-opus-5"] == ()


def test_the_live_list_tells_windows_and_inputs() -> None:
    opus, deepseek = LIVE["claude-opus-4.8"], LIVE["deepseek-3.2"]
    assert (opus.title, opus.context_window, opus.max_output_tokens) == (
        "Claude Opus 4.8",
        1_000_000,
        64_000,
    )
    assert opus.input == ("text", "image", "document")
    assert deepseek.input == ("text",)
    assert deepseek.capabilities is not None and "image" not in deepseek.capabilities.input


def test_the_live_list_tells_how_a_model_is_asked_to_think() -> None:
    opus, sonnet, deepseek = (
        LIVE[id] for id in ("claude-opus-4.8", "claude-sonnet-4.5", "deepseek-3.2")
    )
    assert opus.efforts == ("low", "medium", "high", "xhigh", "max")
    assert opus.capabilities is not None
    assert opus.capabilities.sampling == {"max_output_tokens"}
    assert opus.capabilities.efforts == EFFORTS
    assert sonnet.private["family"] == "tags"
    assert deepseek.capabilities is not None and deepseek.capabilities.efforts == ()


def test_the_pages_of_a_list_belong_together() -> None:
    pages = [CATALOGUE[f"response_page_{number}"]["body"] for number in (1, 2)]
    assert [model.id for model in read_models(pages)] == ["auto", "claude-haiku-4.5"]


@each("body", [None, [], {}, {"models": "many"}, {"models": [1, {"a": 1}]}])
def test_a_list_that_cannot_be_read_is_no_list(body: object) -> None:
    with pytest.raises(UpstreamProtocol, match="model list"):
        read_models([body])


@pytest.mark.parametrize(
    "entry",
    [
        {"modelId": "new"},
        {"modelId": "new", "tokenLimits": None, "supportedInputTypes": "TEXT", "modelName": 5},
        {"modelId": "new", "additionalModelRequestFieldsSchema": {"properties": {"thinking": 1}}},
    ],
)
def test_what_an_entry_does_not_say_is_not_known(entry: JsonObject) -> None:
    (model,) = read_models([{"models": [entry]}])
    assert (model.id, model.title, model.context_window) == ("new", "new", None)
    assert "image" in model.input


@pytest.mark.parametrize("models", [LIVE, STATIC])
def test_what_is_known_of_a_model_comes_back_from_the_list(models: dict[str, Model]) -> None:
    for model in models.values():
        found = find_model(Route("kiro", model.id, model.id, {}, model))
        assert found.as_model(model.aliases) == model


def test_an_unknown_name_is_passed_on_in_the_spelling_of_ids() -> None:
    assert find_model(Route("kiro", "new-model-2-1", "x")).id == "new-model-2.1"
    assert find_model(Route("kiro", "claude-opus-4-6", "x")).window == 1_000_000


def test_windows_are_known_without_a_list() -> None:
    assert known_window("claude-opus-5") == 1_000_000
    assert known_window("CLAUDE_SONNET_4_20250514_V1_0") is None
