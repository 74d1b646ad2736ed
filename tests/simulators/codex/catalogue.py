"""The models of the simulated backend: what each takes, and how `/models` describes them."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway_core.json import JsonObject

__all__ = ["MODELS", "ModelFacts", "describe"]

_TO_XHIGH = ("low", "medium", "high", "xhigh")
_TO_MAX = (*_TO_XHIGH, "max")
_PLANS = ("go", "plus", "pro", "team", "business", "enterprise")


@dataclass(slots=True, frozen=True)
class ModelFacts:
    """One model.

    window: tokens. lite: offered in the Responses Lite lane; lite_only: nowhere else. media:
    whether images are taken. summaries: whether `reasoning.summary` is taken. hidden: callable, but
    not to be listed for people.
    """

    slug: str
    efforts: tuple[str, ...] = _TO_XHIGH
    default_effort: str = "medium"
    window: int = 272_000
    lite: bool = False
    lite_only: bool = False
    tiers: tuple[str, ...] = ("priority",)
    media: bool = True
    summaries: bool = True
    hidden: bool = False
    plans: tuple[str, ...] = _PLANS
    minimal_client_version: str = "0.124.0"


MODELS: Mapping[str, ModelFacts] = {
    facts.slug: facts
    for facts in (
        ModelFacts("gpt-5.4"),
        ModelFacts("gpt-5.4-mini", tiers=(), plans=("free", *_PLANS)),
        ModelFacts("gpt-5.5", plans=("free", *_PLANS)),
        ModelFacts(
            "gpt-5.3-codex-spark",
            default_effort="high",
            window=128_000,
            tiers=(),
            media=False,
            summaries=False,
            plans=("pro",),
        ),
        ModelFacts("gpt-5.6-sol", (*_TO_MAX, "ultra"), "low", lite=True),
        ModelFacts("gpt-5.6-terra", (*_TO_MAX, "ultra"), lite=True, plans=("free", *_PLANS)),
        ModelFacts("gpt-5.6-luna", _TO_MAX, lite=True, lite_only=True, plans=("free", *_PLANS)),
        ModelFacts("codex-auto-review", _TO_MAX, lite=True, hidden=True),
    )
}
"""The catalogue of 2026. Retired models are left out, so that asking for one fails."""


def describe(facts: ModelFacts, priority: int) -> JsonObject:
    """The entry of one model in the answer of `/models`."""
    name = facts.slug.upper().replace("-", " ").replace("GPT ", "GPT-")
    return {
        "slug": facts.slug,
        "display_name": name,
        "description": f"{name}, simulated.",
        "visibility": "hide" if facts.hidden else "list",
        "supported_in_api": facts.media,
        "priority": priority,
        "minimal_client_version": facts.minimal_client_version,
        "context_window": facts.window,
        "max_context_window": 921_000 if facts.lite else facts.window,
        "auto_compact_token_limit": None,
        "default_reasoning_level": facts.default_effort,
        "supported_reasoning_levels": [
            {"effort": effort, "description": f"{effort} effort"} for effort in facts.efforts
        ],
        "supports_reasoning_summaries": facts.summaries,
        "supports_reasoning_summary_parameter": facts.summaries,
        "default_reasoning_summary": "none",
        "support_verbosity": True,
        "default_verbosity": "low",
        "input_modalities": ["text", "image"] if facts.media else ["text"],
        "supports_parallel_tool_calls": not facts.lite,
        "supports_search_tool": True,
        "web_search_tool_type": "text_and_image" if facts.media else "text",
        "apply_patch_tool_type": "freeform",
        "shell_type": "shell_command",
        "truncation_policy": {"mode": "tokens", "limit": 10_000},
        "use_responses_lite": facts.lite,
        "tool_mode": None,
        "prefer_websockets": True,
        "service_tiers": [
            {"id": tier, "name": "Fast", "description": "Faster"} for tier in facts.tiers
        ],
        "additional_speed_tiers": ["fast"] if facts.tiers else [],
        "default_service_tier": None,
        "available_in_plans": list(facts.plans),
        "upgrade": None,
        "model_messages": {"instructions": "A very long prompt. " * 20},
    }
