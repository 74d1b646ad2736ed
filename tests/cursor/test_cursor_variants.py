"""Which flat id goes on the wire for a model, an effort and a wish to think."""

import pytest

from gateway_core import Claim, JsonObject, Model, Route
from gateway_cursor.models import parse_name, read_models, static_models
from gateway_cursor.settings import CursorSettings
from gateway_cursor.variants import WireModel, split_id, wire_model
from support.about import about

IDS = (
    "default",
    "composer-2.5",
    "composer-2.5-fast",
    "claude-4.5-sonnet",
    "claude-4.5-sonnet-thinking",
    "claude-4.5-opus-high",
    "claude-4.5-opus-high-thinking",
    *(
        f"claude-opus-5{thinking}-{effort}{fast}"
        for thinking in ("", "-thinking")
        for effort in ("low", "medium", "high", "max")
        for fast in ("", "-fast")
    ),
    "gpt-5.2",
    "gpt-5.2-low",
    "gpt-5.2-high",
    "gpt-5.5-none",
    "gpt-5.5-low",
    "gpt-5.5-extra-high",
    "cursor-grok-4.6-low",
    "cursor-grok-4.6-high",
    "brand-new-high",
)
SERVED = {
    "models": [
        {"modelId": id, "displayName": id.title(), "maxMode": id.endswith("-max-fast")}
        for id in IDS
    ]
}
MODELS = {model.id: model for model in read_models(SERVED, None, CursorSettings())}


def route_of(name: str) -> Route:
    """The route of a name behind `cursor/`, as the core finds it."""
    if listed := _listed(name):
        return Route("cursor", listed.id, name, {}, listed)
    claim = parse_name(name) or Claim(name)
    return Route("cursor", claim.model, name, claim.options, _listed(claim.model))


def _listed(name: str) -> Model | None:
    return next((model for model in MODELS.values() if name in (model.id, *model.aliases)), None)


def wire(name: str, effort: str | None = None, thinking: bool | None = None) -> str:
    return wire_model(route_of(name), effort, thinking).id


@pytest.mark.parametrize("effort", [None, "none", "medium", "max"])
def test_a_flat_id_with_an_effort_goes_out_as_it_is(effort: str | None) -> None:
    with_effort = [id for id in IDS if split_id(id)[1].effort is not None]
    assert len(with_effort) > 20
    for id in with_effort:
        assert wire(id, effort, thinking=effort is not None) == id


def test_of_a_base_name_the_nearest_variant_is_taken() -> None:
    for name, effort, thinking, id in [
        # the effort as asked for, or the nearest, the lower of two
        ("claude-opus-5", "high", None, "claude-opus-5-thinking-high"),
        ("claude-opus-5", "minimal", True, "claude-opus-5-thinking-low"),
        ("claude-opus-5", "xhigh", True, "claude-opus-5-thinking-high"),
        ("claude-opus-5", "max", True, "claude-opus-5-thinking-max"),
        ("gpt-5.5", "max", None, "gpt-5.5-extra-high"),
        ("gpt-5.5", "medium", None, "gpt-5.5-low"),
        ("cursor-grok-4.6", "medium", None, "cursor-grok-4.6-low"),
        # thinking without an effort, and none of it
        ("claude-opus-5", None, True, "claude-opus-5-thinking-medium"),
        ("claude-opus-5", None, None, "claude-opus-5-medium"),
        ("claude-opus-5", None, False, "claude-opus-5-medium"),
        ("claude-opus-5", "none", None, "claude-opus-5-low"),
        ("claude-4.5-sonnet", None, True, "claude-4.5-sonnet-thinking"),
        ("claude-4.5-sonnet", "low", None, "claude-4.5-sonnet-thinking"),
        ("claude-4.5-sonnet", None, False, "claude-4.5-sonnet"),
        ("gpt-5.5", "none", None, "gpt-5.5-none"),
        ("gpt-5.5", None, False, "gpt-5.5-none"),
        ("gpt-5.2", None, False, "gpt-5.2-low"),
        ("claude-opus-5", "high", False, "claude-opus-5-high"),
        # a word order of their own
        ("claude-4.5-opus", "low", True, "claude-4.5-opus-high-thinking"),
        ("claude-4.5-opus", None, None, "claude-4.5-opus-high"),
        # the bare id is Cursor's spelling of the usual effort
        ("gpt-5.2", None, None, "gpt-5.2"),
        ("gpt-5.2", "medium", None, "gpt-5.2"),
        ("gpt-5.2", "max", None, "gpt-5.2-high"),
        # no variants in effort
        ("composer-2.5", "high", True, "composer-2.5"),
        ("composer-2.5-fast", "high", None, "composer-2.5-fast"),
        ("auto", "high", True, "default"),
        ("default", None, None, "default"),
    ]:
        with about(name):
            assert wire(name, effort, thinking) == id


def test_what_a_name_leaves_open_is_up_to_the_request() -> None:
    for name, effort, id in [
        ("claude-opus-5-thinking", None, "claude-opus-5-thinking-medium"),
        ("claude-opus-5-thinking", "high", "claude-opus-5-thinking-high"),
        ("claude-opus-5-fast", "high", "claude-opus-5-thinking-high-fast"),
        ("claude-opus-5-fast", None, "claude-opus-5-medium-fast"),
        ("claude-opus-5-high-thinking", None, "claude-opus-5-thinking-high"),
        ("claude-opus-5-xhigh", None, "claude-opus-5-high"),
        ("gpt-5.5-xhigh", "low", "gpt-5.5-extra-high"),
        ("claude-sonnet-4-5-20250929", "high", "claude-4.5-sonnet-thinking"),
        ("claude-sonnet-4-5-20250929", None, "claude-4.5-sonnet"),
        ("claude-opus-4.5-thinking", None, "claude-4.5-opus-high-thinking"),
        ("cursor-plan:claude-opus-5", "max", "claude-opus-5-thinking-max"),
        ("cursor-ask:claude-opus-5-low-fast", "max", "claude-opus-5-low-fast"),
        ("cursor-ask:brand-new-high", None, "brand-new-high"),
        ("cursor-plan", None, "default"),
        ("cursor", None, "default"),
    ]:
        with about(name):
            assert wire(name, effort) == id


def test_an_id_that_nobody_lists_goes_out_as_it_is() -> None:
    for name, id in [
        ("never-heard-of-high", "never-heard-of-high"),
        ("grok-5-high", "cursor-grok-5-high"),
        ("gpt-9.9-ultra", "gpt-9.9-ultra"),
        ("cursor-plan:gpt-9.9", "gpt-9.9"),
    ]:
        with about(name):
            assert wire(name, "high", thinking=True) == id


def test_before_the_list_is_there_the_usual_spelling_is_tried() -> None:
    for name, effort, id in [
        ("claude-opus-5", None, "claude-opus-5-medium"),
        ("claude-opus-5", "max", "claude-opus-5-thinking-max"),
        ("claude-opus-6-thinking", None, "claude-opus-6-thinking-medium"),
        ("claude-opus-5-thinking-high-fast", "low", "claude-opus-5-thinking-high-fast"),
        ("claude-opus-5-fast", "high", "claude-opus-5-thinking-high-fast"),
        ("claude-4.5-opus", "low", "claude-4.5-opus-high-thinking"),
        ("claude-sonnet-4-20250514", "low", "claude-4-sonnet-thinking"),
        ("claude-sonnet-4-20250514", None, "claude-4-sonnet"),
        ("gpt-5.5", "max", "gpt-5.5-extra-high"),
        ("glm-5.2", None, "glm-5.2-high"),
        ("gpt-5.2", None, "gpt-5.2"),
        ("gpt-5.2", "high", "gpt-5.2-high"),
        ("gpt-5.2-fast", "low", "gpt-5.2-fast"),
        ("gpt-5.4-mini", "max", "gpt-5.4-mini-xhigh"),
        ("gpt-5.4-nano", None, "gpt-5.4-nano-medium"),
        ("gpt-5.3-codex", "high", "gpt-5.3-codex"),
        ("composer-2.5-fast", "high", "composer-2.5-fast"),
    ]:
        with about(name):
            claim = parse_name(name) or Claim(name)
            assert wire_model(Route("cursor", claim.model, name, claim.options), effort).id == id


def test_titles_and_max_mode_come_from_the_list() -> None:
    assert wire_model(route_of("claude-opus-5-max-fast")) == WireModel(
        "claude-opus-5-max-fast", "Claude-Opus-5-Max-Fast", max_mode=True
    )
    assert wire_model(route_of("never-heard-of")).max_mode is False


def test_cursors_own_default_counts_where_nothing_is_asked_for() -> None:
    facts: JsonObject = {
        "models": [
            {
                "name": "claude-opus-5",
                "variants": [
                    {"legacySlug": "claude-opus-5-low"},
                    {"legacySlug": "claude-opus-5-thinking-high", "isDefaultNonMaxConfig": True},
                ],
            }
        ]
    }
    model = read_models(None, facts, CursorSettings())[0]
    route = Route("cursor", model.id, model.id, {}, model)
    assert wire_model(route).id == "claude-opus-5-thinking-high"
    assert wire_model(route, None, False).id == "claude-opus-5-low"


def test_a_default_that_does_not_think_is_none_for_a_request_to_think() -> None:
    facts: JsonObject = {
        "models": [
            {
                "name": "gpt-5.5",
                "variants": [
                    {"legacySlug": "gpt-5.5-none", "isDefaultNonMaxConfig": True},
                    {"legacySlug": "gpt-5.5-low"},
                ],
            }
        ]
    }
    model = read_models(None, facts, CursorSettings())[0]
    route = Route("cursor", model.id, model.id, {}, model)
    assert wire_model(route).id == "gpt-5.5-none"
    assert wire_model(route, None, True).id == "gpt-5.5-low"


def test_parameters_say_more_than_ids() -> None:
    facts: JsonObject = {
        "models": [
            {
                "name": "gpt-6",
                "variants": [
                    {
                        "legacySlug": slug,
                        "parameterValues": [{"id": "reasoning", "value": effort}],
                    }
                    for slug, effort in (("gpt-6-quick", "low"), ("gpt-6-deep", "extra-high"))
                ],
            }
        ]
    }
    model = read_models(None, facts, CursorSettings())[0]
    assert (model.id, model.efforts) == ("gpt-6", ("low", "xhigh"))
    assert wire_model(Route("cursor", "gpt-6", "gpt-6", {}, model), "max").id == "gpt-6-deep"


def test_a_list_that_another_version_remembered_does_no_harm() -> None:
    for private in [{}, {"variants": "nonsense"}, {"variants": '{"a": [1]}'}]:
        with about(private):
            model = Model("gpt-5.5-high", private=private)
            route = Route("cursor", model.id, model.id, {}, model)
            assert wire_model(route, "low").id == "gpt-5.5-high"


def test_names_before_a_login_have_their_ids() -> None:
    found = {
        model.id: wire_model(Route("cursor", model.id, model.id, {}, model)).id
        for model in static_models(CursorSettings())
    }
    assert found["auto"] == "default"
    assert found["sonnet-4-thinking"] == "claude-4-sonnet-thinking"
    assert found["gpt-5"] == "gpt-5"
