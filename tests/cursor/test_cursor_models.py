"""The lists of models: the static one, and the live one out of two answers."""

import httpx
import pytest
from google.protobuf import json_format
from pydantic import SecretStr

from gateway_core import Credential, GatewayError, JsonObject, Model, Unauthorized, UpstreamProtocol
from gateway_cursor.catalogue import live_models
from gateway_cursor.models import read_models, static_models
from gateway_cursor.proto import agent_pb2 as pb
from gateway_cursor.settings import CursorSettings
from support.cursor_samples import CursorService, jwt, unary

USABLE = "/agent.v1.AgentService/GetUsableModels"
AVAILABLE = "/aiserver.v1.AiService/AvailableModels"
CREDENTIAL = Credential(
    provider="cursor", account="auth0|user_1", access_token=SecretStr(jwt("fake-access"))
)


def as_json(
    name: str, message: type[pb.GetUsableModelsResponse | pb.AvailableModelsResponse]
) -> JsonObject:
    """A recorded answer in the JSON that is asked for."""
    answer: JsonObject = json_format.MessageToDict(message.FromString(unary(name)))
    return answer


SERVED = as_json("u02", pb.GetUsableModelsResponse)
FACTS = as_json("u06", pb.AvailableModelsResponse)


def served(*ids: str, **facts: object) -> JsonObject:
    """An answer that lists these flat ids, all with these facts."""
    return {"models": [{"modelId": id, **facts} for id in ids]}


def by_id(models: list[Model]) -> dict[str, Model]:
    """The list by id, which must be unique."""
    found = {model.id: model for model in models}
    assert len(found) == len(models)
    return found


# Without a login


def test_without_a_login_there_are_names_that_are_known(settings: CursorSettings) -> None:
    assert [model.id for model in static_models(settings)] == [
        "auto",
        "composer-2.5",
        "composer-2.5-fast",
        "gpt-5",
        "sonnet-4",
        "sonnet-4-thinking",
    ]


# Live


async def test_both_questions_are_asked_in_json(
    service: CursorService, http: httpx.AsyncClient, settings: CursorSettings
) -> None:
    service.say(USABLE, "models-json")
    service.say(AVAILABLE, httpx.Response(200, json=FACTS))
    models = await live_models(CREDENTIAL, http, settings)
    assert [model.id for model in models] == [
        "auto",
        "claude-opus-5",
        "claude-opus-5-thinking-high",
    ]
    asked = {request.url.path: request for request in service.asked}
    assert asked[AVAILABLE].read() == b'{"useModelParameters":true,"doNotUseMarkdown":true}'
    assert asked[USABLE].headers["x-cursor-client-type"] == "cli"


def test_the_lists_are_joined(settings: CursorSettings) -> None:
    models = by_id(read_models(SERVED, FACTS, settings))
    assert list(models) == [
        "auto",
        "composer-2.5",
        "claude-opus-5",
        "claude-opus-5-thinking-high",
        "claude-opus-5-high-fast",
        "gpt-5.6-sol",
        "gpt-5.6-sol-high",
    ]
    opus = models["claude-opus-5"]
    assert (opus.title, opus.context_window, opus.input) == (
        "Claude Opus 5",
        300_000,
        ("text", "image"),
    )
    assert opus.efforts == ("none", "high")


def test_a_variant_in_max_mode_has_the_larger_window(settings: CursorSettings) -> None:
    models = by_id(read_models(SERVED, FACTS, settings))
    assert models["claude-opus-5-high-fast"].context_window == 1_000_000
    assert models["claude-opus-5-thinking-high"].context_window == 300_000


def test_auto_comes_first_and_is_known_by_both_its_names(settings: CursorSettings) -> None:
    first = read_models(served("gpt-5.5-high", "default"), None, settings)[0]
    assert (first.id, first.aliases) == ("auto", ("default",))


def test_aliases_of_the_list_are_kept_unless_they_are_ids(settings: CursorSettings) -> None:
    answer = {
        "models": [
            {"modelId": "composer-2.5", "aliases": ["composer-2-5", "composer", "glm-5.2"]},
            {"modelId": "glm-5.2", "aliases": ["composer-2.5", 7]},
        ]
    }
    models = by_id(read_models(answer, None, settings))
    assert models["composer-2.5"].aliases == ("composer-2-5", "composer")
    assert models["glm-5.2"].aliases == ()


@pytest.mark.parametrize(
    ("id", "sees"),
    [("default", False), ("composer-2.5", False), ("glm-5.2-max", False), ("gpt-5-mini", True)],
)
def test_who_sees_images_is_known_where_the_list_does_not_say(
    settings: CursorSettings, id: str, sees: bool
) -> None:
    for model in read_models(served(id), None, settings):
        assert ("image" in model.input) is sees
        assert model.capabilities is not None
        assert ("image" in model.capabilities.input) is sees


def test_the_list_knows_better_who_sees_images(settings: CursorSettings) -> None:
    facts = {"models": [{"name": "gpt-5-mini", "supportsImages": False}]}
    (model,) = read_models(served("gpt-5-mini"), facts, settings)
    assert model.input == ("text",)


def test_without_facts_the_names_tell_which_variants_belong_together(
    settings: CursorSettings,
) -> None:
    ids = ("gpt-5.5-low", "gpt-5.5-extra-high", "gpt-5.5-low-fast", "kimi-k2.7-code")
    models = by_id(read_models(served(*ids), None, settings))
    assert list(models) == ["gpt-5.5", *ids]
    assert models["gpt-5.5"].efforts == ("low", "xhigh")
    assert models["kimi-k2.7-code"].efforts == ()


def test_a_suffix_that_others_build_upon_is_part_of_the_name(settings: CursorSettings) -> None:
    ids = ("gpt-5.1-codex-max", "gpt-5.1-codex-max-high", "gpt-5.1-codex-high")
    models = by_id(read_models(served(*ids), None, settings))
    assert list(models) == ["gpt-5.1-codex-max", "gpt-5.1-codex-max-high", "gpt-5.1-codex", ids[2]]


def test_a_base_name_is_titled_like_its_variants(settings: CursorSettings) -> None:
    answer = {"models": [{"modelId": "gpt-5.5-high-fast", "displayName": "GPT-5.5 High Fast"}]}
    assert by_id(read_models(answer, None, settings))["gpt-5.5"].title == "GPT-5.5"


def test_efforts_mean_nothing_to_a_model_without_variants_in_them(
    settings: CursorSettings,
) -> None:
    models = by_id(read_models(served("composer-2.5", "composer-2.5-fast"), None, settings))
    for model in models.values():
        assert model.capabilities is not None
        assert model.capabilities.efforts == ()


def test_what_a_name_spells_out_is_the_only_effort_it_has(settings: CursorSettings) -> None:
    ids = ("gpt-5.5-low", "claude-opus-5-thinking-high-fast", "claude-4.5-sonnet-thinking")
    models = by_id(read_models(served(*ids), None, settings))
    accepted = {id: can.efforts for id in ids if (can := models[id].capabilities)}
    assert accepted == dict(zip(ids, [("low",), ("high",), ("medium",)], strict=True))
    assert all(models[id].efforts == () for id in ids)


def test_web_search_is_a_tool_where_it_is_allowed() -> None:
    for allowed in (True, False):
        settings = CursorSettings(allow_web_search=allowed)
        for model in (*read_models(SERVED, FACTS, settings), *static_models(settings)):
            assert model.capabilities is not None
            assert ("web_search" in model.capabilities.hosted_tools) is allowed


def test_without_the_flat_ids_the_variants_of_the_facts_count(settings: CursorSettings) -> None:
    models = by_id(read_models(None, FACTS, settings))
    assert list(models) == [
        "auto",
        "claude-opus-5",
        "claude-opus-5-thinking-high",
        "claude-opus-5-high-fast",
    ]


@pytest.mark.parametrize(
    "answer", [None, {}, {"models": []}, {"models": [7, {"modelId": ""}, {"id": "x"}]}]
)
def test_a_list_with_nothing_in_it_is_no_list(settings: CursorSettings, answer: object) -> None:
    with pytest.raises(UpstreamProtocol):
        read_models(answer, answer, settings)


@pytest.mark.parametrize("down", [USABLE, AVAILABLE])
async def test_one_answer_is_enough(
    service: CursorService, http: httpx.AsyncClient, settings: CursorSettings, down: str
) -> None:
    service.say(USABLE, httpx.Response(200, json=SERVED))
    service.say(AVAILABLE, httpx.Response(200, json=FACTS))
    service.say(down, httpx.Response(500))
    assert "claude-opus-5" in {model.id for model in await live_models(CREDENTIAL, http, settings)}


async def test_a_refused_login_is_told_at_once(
    service: CursorService, http: httpx.AsyncClient, settings: CursorSettings
) -> None:
    service.say(USABLE, httpx.Response(200, json=SERVED))
    service.say(AVAILABLE, httpx.Response(401))
    with pytest.raises(Unauthorized):
        await live_models(CREDENTIAL, http, settings)


async def test_without_any_answer_the_core_keeps_the_list_it_has(
    service: CursorService, http: httpx.AsyncClient, settings: CursorSettings
) -> None:
    service.say(USABLE, httpx.ConnectError("no route"))
    service.say(AVAILABLE, httpx.Response(200, content=b"<html>"))
    with pytest.raises(GatewayError, match="cannot connect"):
        await live_models(CREDENTIAL, http, settings)
