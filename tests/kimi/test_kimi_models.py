"""Kimi's lists of models, and which of its regions a login belongs to."""

import pytest

from gateway_core import UpstreamProtocol
from gateway_core.testing import fake_credential
from gateway_kimi.models import STATIC_MODELS, read_models
from gateway_kimi.settings import KimiSettings


def test_what_a_plan_says_wins_over_what_is_known() -> None:
    (model,) = read_models(
        {
            "data": [
                {"id": "k3", "context_length": 0},
                {"id": "a b", "context_length": 1},
                "k3",
                {
                    "id": "kimi-for-coding",
                    "context_length": 300_000,
                    "supports_image_in": True,
                    "supports_tool_use": False,
                    "supports_thinking_type": "no",
                    "think_efforts": {"support": True, "valid_efforts": ["max", 1, "low", "odd"]},
                },
            ]
        }
    )
    assert (model.title, model.context_window) == ("kimi-for-coding", 300_000)
    assert (model.input, model.efforts) == (("text", "image"), ("low", "max"))
    assert "k2.6" in model.aliases
    assert model.capabilities is not None
    assert not model.capabilities.tools
    assert model.capabilities.efforts == ()


def test_no_list_is_an_error() -> None:
    with pytest.raises(UpstreamProtocol):
        read_models({"data": {}})


def test_the_facts_that_are_known_without_asking() -> None:
    facts = {model.id: (model.context_window, model.input) for model in STATIC_MODELS}
    everything = ("text", "image", "video")
    assert facts == {
        "kimi-for-coding": (262_144, everything),
        "kimi-for-coding-highspeed": (262_144, everything),
        "k3": (1_048_576, everything),
        "k3-256k": (262_144, ("text", "image")),
    }


def test_a_login_stays_in_its_region_whatever_is_set_later() -> None:
    credential = fake_credential("kimi", extra={"region": "global"})
    settings = KimiSettings(region="china")
    assert settings.api(credential) == "https://api.kimi.ai/coding/v1"
    assert settings.auth(credential) == "https://auth.kimi.ai"
    assert settings.auth() == "https://auth.kimi.com"
