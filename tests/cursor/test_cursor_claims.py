"""Names that no list holds, and what they mean."""

from gateway_cursor.models import parse_name
from support.about import about


def test_a_prefix_is_a_mode() -> None:
    for name, model, options in [
        ("cursor", "auto", {}),
        ("cursor-plan", "auto", {"mode": "plan"}),
        ("cursor-ask", "auto", {"mode": "ask"}),
        ("cursor:auto", "auto", {}),
        ("cursor-plan:auto", "auto", {"mode": "plan"}),
        ("cursor-ask:default", "default", {"mode": "ask"}),
        ("cursor-plan/gpt-5.5", "gpt-5.5", {"mode": "plan"}),
        ("cursor-ask:composer-2.5", "composer-2.5", {"mode": "ask"}),
    ]:
        with about(name):
            claim = parse_name(name)
            assert claim is not None
            assert (claim.model, claim.options) == (model, options)


def test_behind_a_prefix_anything_may_come() -> None:
    for name in ["cursor-plan:model-of-next-year", "cursor:model-of-next-year"]:
        with about(name):
            claim = parse_name(name)
            assert claim is not None
            assert claim.model == "model-of-next-year"


def test_suffixes_come_off_known_families() -> None:
    for name, model, options in [
        ("composer-2.5-fast", "composer-2.5", {"fast": "yes"}),
        ("composer-3-fast", "composer-3", {"fast": "yes"}),
        ("claude-opus-5-thinking", "claude-opus-5", {"thinking": "yes"}),
        ("claude-opus-4-8-high", "claude-opus-4-8", {"effort": "high"}),
        ("gpt-5.6-sol-xhigh-fast", "gpt-5.6-sol", {"effort": "xhigh", "fast": "yes"}),
        ("gpt-5.5-extra-high", "gpt-5.5", {"effort": "xhigh"}),
        ("gpt-5.3-codex-low", "gpt-5.3-codex", {"effort": "low"}),
        ("cursor-grok-4.6-low", "cursor-grok-4.6", {"effort": "low"}),
        ("gemini-3.7-flash-high", "gemini-3.7-flash", {"effort": "high"}),
        ("kimi-k3-max", "kimi-k3", {"effort": "max"}),
        ("glm-5.2-max", "glm-5.2", {"effort": "max"}),
    ]:
        with about(name):
            claim = parse_name(name)
            assert claim is not None
            assert claim.model == model
            assert claim.options == {"variant": name, **options}


def test_anthropics_names_are_understood() -> None:
    for name, model in [
        ("claude-sonnet-4-5-20250929", "claude-4.5-sonnet"),
        ("claude-sonnet-4-20250514", "claude-4-sonnet"),
        ("claude-opus-4-5", "claude-4.5-opus"),
        ("claude-opus-4.6", "claude-4.6-opus"),
        ("claude-sonnet-4-6", "claude-4.6-sonnet"),
        ("sonnet-4", "claude-4-sonnet"),
        ("claude-opus-4-7-20260416", "claude-opus-4-7"),
        ("claude-sonnet-5-20260701", "claude-sonnet-5"),
    ]:
        with about(name):
            claim = parse_name(name)
            assert claim is not None
            assert (claim.model, claim.options) == (model, {})


def test_other_names_are_left_to_others() -> None:
    for name in [
        "gpt-5.5",  # would be in the list
        "claude-haiku-4-5-20251001",  # Cursor has no Haiku
        "brand-new-20260101",
        "grok-4.5-high",  # another provider's
        "model-of-next-year-high",
        "gpt-4o-mini",
        "cursory",
        "cursor-",
        "cursor-plan:",
        "",
    ]:
        with about(name):
            assert parse_name(name) is None
