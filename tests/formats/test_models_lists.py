"""Lists of models as OpenAI's and Anthropic's clients read them."""

from datetime import UTC, datetime, timedelta, timezone

import anthropic.types
import openai.types
import pytest
from inline_snapshot import snapshot

from gateway_core.errors import InvalidRequest
from gateway_core.formats.models import (
    anthropic_list,
    anthropic_model,
    openai_list,
    openai_model,
)
from gateway_core.provider import Model


@pytest.fixture
def known() -> Model:
    """A model of which everything is known."""
    return Model(
        "pelican-2",
        title="Pelican 2",
        aliases=("pelican",),
        context_window=200_000,
        max_output_tokens=32_000,
        input=("text", "image"),
        efforts=("low", "high"),
        default_effort="low",
        created=datetime(2026, 3, 1, 12, tzinfo=UTC),
    )


@pytest.fixture
def entries() -> list[tuple[str, Model]]:
    """Five models of one provider."""
    return [("zoo", Model(f"m{number}")) for number in range(1, 6)]


def test_openai_shape(known: Model) -> None:
    assert openai_model("zoo", known) == snapshot(
        {
            "id": "pelican-2",
            "object": "model",
            "created": 1772366400,
            "owned_by": "zoo",
            "display_name": "Pelican 2",
            "context_window": 200000,
            "max_input_tokens": 200000,
            "max_output_tokens": 32000,
            "modalities": {"input": ["text", "image"]},
            "efforts": ["low", "high"],
            "default_effort": "low",
            "aliases": ["pelican"],
        }
    )


def test_anthropic_shape(known: Model) -> None:
    assert anthropic_model("zoo", known) == snapshot(
        {
            "type": "model",
            "id": "pelican-2",
            "display_name": "Pelican 2",
            "created_at": "2026-03-01T12:00:00Z",
            "lifecycle": "active",
            "owned_by": "zoo",
            "context_window": 200000,
            "max_input_tokens": 200000,
            "max_output_tokens": 32000,
            "modalities": {"input": ["text", "image"]},
            "efforts": ["low", "high"],
            "default_effort": "low",
            "aliases": ["pelican"],
            "max_tokens": 32000,
        }
    )


def test_unknown_facts_are_left_out_but_for_the_date_that_clients_insist_on() -> None:
    bare = Model("m")
    assert openai_model("zoo", bare) == snapshot(
        {
            "id": "m",
            "object": "model",
            "created": 0,
            "owned_by": "zoo",
            "display_name": "m",
            "modalities": {"input": ["text"]},
        }
    )
    assert anthropic_model("zoo", bare)["created_at"] == "1970-01-01T00:00:00Z"


@pytest.mark.parametrize(
    "created",
    [datetime(2026, 3, 1, 12), datetime(2026, 3, 1, 14, tzinfo=timezone(timedelta(hours=2)))],
    ids=["naive", "other zone"],
)
def test_dates_are_told_in_utc(created: datetime) -> None:
    assert anthropic_model("zoo", Model("m", created=created))["created_at"] == (
        "2026-03-01T12:00:00Z"
    )


def test_the_sdks_own_types_accept_both_shapes(known: Model) -> None:
    assert openai.types.Model.model_validate(openai_model("zoo", known)).id == "pelican-2"
    info = anthropic.types.ModelInfo.model_validate(anthropic_model("zoo", known))
    assert info.max_input_tokens == 200_000


def test_openai_lists_everything_in_order(entries: list[tuple[str, Model]]) -> None:
    listed = openai_list(entries)
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == ["m1", "m2", "m3", "m4", "m5"]


def test_an_id_of_two_providers_is_listed_with_the_prefix_that_reaches_the_second() -> None:
    twice = [("zoo", Model("m")), ("park", Model("m"))]
    listed = openai_list(twice)["data"]
    assert [(model["id"], model["owned_by"]) for model in listed] == [
        ("m", "zoo"),
        ("park/m", "park"),
    ]


def test_a_first_page_tells_that_there_is_more(entries: list[tuple[str, Model]]) -> None:
    page = anthropic_list(entries, limit=2)
    assert [model["id"] for model in page.pop("data")] == ["m1", "m2"]
    assert page == {"has_more": True, "first_id": "m1", "last_id": "m2"}


def test_following_last_id_visits_every_model_once(entries: list[tuple[str, Model]]) -> None:
    seen: list[str] = []
    cursor: str | None = None
    more = True
    while more:
        page = anthropic_list(entries, limit=2, after_id=cursor)
        seen += [model["id"] for model in page["data"]]
        cursor, more = page["last_id"], page["has_more"]
    assert seen == ["m1", "m2", "m3", "m4", "m5"]


def test_pages_go_backwards_from_before_id(entries: list[tuple[str, Model]]) -> None:
    page = anthropic_list(entries, limit=2, before_id="m4")
    assert [model["id"] for model in page["data"]] == ["m2", "m3"]
    assert page["has_more"] is True
    first = anthropic_list(entries, limit=2, before_id="m2")
    assert [model["id"] for model in first["data"]] == ["m1"]
    assert first["has_more"] is False


@pytest.mark.parametrize("after_id", [None, "m5"], ids=["no models", "after the last"])
def test_an_empty_page_has_no_ids_and_ends_the_paging(
    entries: list[tuple[str, Model]], after_id: str | None
) -> None:
    page = anthropic_list(entries if after_id else [], after_id=after_id)
    assert page == {"data": [], "has_more": False, "first_id": None, "last_id": None}


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_limit_out_of_range_is_refused(entries: list[tuple[str, Model]], limit: int) -> None:
    with pytest.raises(InvalidRequest, match=f"limit: expected 1 to 1000, got {limit}") as refused:
        anthropic_list(entries, limit=limit)
    assert refused.value.param == "limit"


@pytest.mark.parametrize("param", ["after_id", "before_id"])
def test_an_unknown_cursor_is_refused(entries: list[tuple[str, Model]], param: str) -> None:
    with pytest.raises(InvalidRequest, match="there is no model 'ghost'") as refused:
        anthropic_list(entries, **{param: "ghost"})  # type: ignore[arg-type]  # parametrized
    assert refused.value.param == param


def test_two_cursors_at_once_are_refused(entries: list[tuple[str, Model]]) -> None:
    with pytest.raises(InvalidRequest, match="not both"):
        anthropic_list(entries, after_id="m1", before_id="m4")
