"""Kilo's list of models, read leniently, and the names that stand for one."""

from typing import Any

import httpx
import pytest

from gateway_core import GatewayError, Model, UpstreamProtocol
from gateway_core.testing import fake_credential
from gateway_kilo.account import list_models
from gateway_kilo.models import STATIC_MODELS, claim, read_models, vendor_name
from gateway_kilo.settings import KiloSettings
from support.about import each


def read(*entries: dict[str, Any], free_only: bool = False) -> list[Model]:
    return read_models({"data": list(entries)}, free_only=free_only)


@each(
    "entry, free",
    [
        ({"id": "a/b", "isFree": True}, True),
        ({"id": "a/b:free"}, True),
        ({"id": "a/b", "pricing": {"prompt": "0", "completion": "0.0"}}, True),
        ({"id": "a/b", "pricing": {"prompt": "0", "completion": "0.000002"}}, False),
        ({"id": "a/b", "pricing": {"prompt": "-1", "completion": "-1"}}, False),
        ({"id": "a/b"}, False),
    ],
)
def test_which_models_are_free(entry: dict[str, Any], free: bool) -> None:
    assert bool(read(entry, free_only=True)) is free


def test_recommended_models_come_first_and_each_once() -> None:
    entries: list[dict[str, Any]] = [
        {"id": "a/last"},
        {"id": "a/2", "preferredIndex": 2},
        {"id": "a/0"},
    ]
    entries += [{"id": "a/0", "preferredIndex": 0}, {"id": "not a name"}, {}]
    assert [model.id for model in read(*entries)] == ["a/0", "a/2", "a/last"]


def test_parameters_that_a_model_lists_are_what_it_can_do() -> None:
    known = ["temperature", "tools", "reasoning", "response_format"]
    (model,) = read(
        {
            "id": "a/b",
            "supported_parameters": known,
            "architecture": {"input_modalities": ["file", "text", "hologram"]},
            "top_provider": {"max_completion_tokens": 9000},
        }
    )
    can = model.capabilities
    assert can is not None
    assert can.sampling == {"max_output_tokens", "temperature"}
    assert (can.tools, can.parallel_tools, can.tool_choice) == (True, False, frozenset({"auto"}))
    assert (can.output, can.efforts) == (
        frozenset({"text", "json"}),
        ("none", "low", "medium", "high"),
    )
    assert (model.input, model.max_output_tokens) == (("text", "document"), 9000)


def test_a_model_that_lists_nothing_is_asked_for_everything_but_reasoning() -> None:
    (model,) = read({"id": "a/b"})
    assert model.capabilities is not None
    assert model.capabilities.tools
    assert model.capabilities.parallel_tools
    assert model.capabilities.efforts == ()


def test_short_names() -> None:
    settings = KiloSettings(model="kilo/a/b")
    targets = {"kilo": "a/b", "minimax-2.5": "minimax/minimax-m2.5:free", "gpt-5": None}
    for name, target in targets.items():
        claimed = claim(name, settings)
        assert (claimed and claimed.model) == target


@each(
    "name, told",
    [
        ("a/b", "a/b"),
        ("kilo/a/b", "a/b"),
        ("auto", "kilo/auto"),
        ("kilo/auto-free", "kilo/auto-free"),
        ("kilo-auto/free", "kilo-auto/free"),
    ],
)
def test_the_prefix_is_ours_but_for_two_old_names(name: str, told: str) -> None:
    assert vendor_name(name) == told


async def test_without_a_network_one_name_is_left() -> None:
    """With a login the list that is known stays, as the core keeps it."""

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no network", request=request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(refuse)) as http:
        assert await list_models(None, http, KiloSettings()) == list(STATIC_MODELS)
        with pytest.raises(GatewayError):
            await list_models(fake_credential("kilo"), http, KiloSettings())


@pytest.mark.parametrize(("status", "body"), [(500, b"{}"), (429, b"{}"), (200, b"{}")])
async def test_an_answer_without_a_list_replaces_no_list(status: int, body: bytes) -> None:
    """Also without a login, where the one name stands in for a network alone."""
    transport = httpx.MockTransport(lambda request: httpx.Response(status, content=body))
    async with httpx.AsyncClient(transport=transport) as http:
        with pytest.raises(GatewayError):
            await list_models(None, http, KiloSettings())


def test_no_list_is_an_error() -> None:
    with pytest.raises(UpstreamProtocol):
        read_models({}, free_only=False)
