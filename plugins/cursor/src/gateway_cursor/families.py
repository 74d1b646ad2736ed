"""The families of models that Cursor was publicly known to serve in September 2026, and how their
flat ids are spelled: for names that are asked for before the live list is there.
"""

import re
from typing import Final

__all__ = ["is_family", "known_ids"]

_TO_MAX: Final = ("low", "medium", "high", "xhigh", "max")
# Base name, efforts in the spelling of the ids, and what stands where in an id with thinking.
_SPELLINGS: Final[tuple[tuple[str, tuple[str, ...], str | None], ...]] = (
    (r"claude-(?:fable|opus|sonnet)-\d+(?:-\d{1,2})?", _TO_MAX, "{base}-thinking-{effort}"),
    (r"claude-4(?:\.5)?-sonnet", ("",), "{base}-thinking"),
    (r"claude-4\.5-opus", ("high",), "{base}-{effort}-thinking"),
    (r"claude-4\.6-opus", ("high", "max"), "{base}-{effort}-thinking"),
    (r"claude-4\.6-sonnet", ("medium",), "{base}-{effort}-thinking"),
    (r"gpt-5\.[12]", ("", "low", "high"), None),
    (r"gpt-5\.4-(?:mini|nano)", ("none", "low", "medium", "high", "xhigh"), None),
    (r"gpt-5\.5", ("none", "low", "medium", "high", "extra-high"), None),
    (r"gpt-5\.6-(?:sol|luna|terra)", ("none", *_TO_MAX), None),
    (r"cursor-grok-4\.5", ("low", "medium", "high"), None),
    (r"cursor-grok-4\.6", ("low", "medium", "high", "xhigh"), None),
    (r"gemini-3\.6-flash", ("minimal", "low", "medium", "high"), None),
    (r"gemini-3\.7-flash", ("low", "medium", "high"), None),
    (r"glm-5\.2", ("high", "max"), None),
    (r"kimi-k3", ("low", "high", "max"), None),
)
_OTHERS: Final = (
    r"composer-\d+(?:\.\d+)?|cursor-grok-\d+(?:\.\d+)?|glm-5(?:\.\d+)?"
    r"|gpt-5(?:\.\d+)?(?:-codex)?(?:-(?:mini|nano))?"
    r"|gemini-3(?:\.\d+)?-(?:flash|pro)|kimi-k\d+(?:\.\d+)?(?:-code)?"
)
_FAMILIES: Final = re.compile("|".join([*(base for base, _, _ in _SPELLINGS), _OTHERS]))


def is_family(base: str) -> bool:
    """Whether a name is the base name of a family, whose suffixes may come off."""
    return _FAMILIES.fullmatch(base) is not None


def known_ids(base: str) -> list[str]:
    """The flat ids that a model is likely to have, each with and without `-fast`; none for a model
    whose bare name is an id.
    """
    spelling = next((one for one in _SPELLINGS if re.fullmatch(one[0], base)), None)
    if spelling is None:
        return []
    _, efforts, thinking = spelling
    forms = ["{base}-{effort}", *([thinking] if thinking else [])]
    ids = [
        form.format(base=base, effort=effort).rstrip("-") for form in forms for effort in efforts
    ]
    return [f"{id}{fast}" for id in ids for fast in ("", "-fast")]
