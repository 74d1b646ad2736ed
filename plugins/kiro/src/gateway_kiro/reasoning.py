"""How a model is asked to think: by fields of its own, or by tags in front of the prompt. Pure."""

from dataclasses import dataclass
from typing import Final

from gateway_core import JsonObject, Request
from gateway_core.events import Notice
from gateway_core.request import EFFORTS
from gateway_kiro.models import KiroModel
from gateway_kiro.settings import KiroSettings

__all__ = ["Thinking", "ask_to_think"]

_BUDGETS: Final = {"low": 4_000, "medium": 8_000, "high": 16_000, "xhigh": 32_000}
_BY_BUDGET: Final = ((4_096, "low"), (8_192, "medium"), (16_384, "high"))


@dataclass(slots=True, frozen=True)
class Thinking:
    """What the request says about thinking.

    fields: of `additionalModelRequestFields`. prefix: what stands before the system text. notice:
    what the user should learn.
    """

    fields: JsonObject | None = None
    prefix: str = ""
    notice: Notice | None = None


def ask_to_think(
    request: Request, model: KiroModel, effort: str | None, settings: KiroSettings
) -> Thinking:
    """What to send for the request's wishes. effort: of the model's name, which comes first."""
    asked = request.reasoning
    wanted = effort or _effort(request)
    off = wanted == "none" or (asked.enabled is False and effort is None)
    if model.family == "none" or (wanted is None and not asked.enabled and not off):
        return Thinking(_limited(request, model, {}))
    if model.family == "tags":
        return _by_tags(model, wanted, off, settings)
    fields: JsonObject = {}
    nearest = None if wanted is None or off else _nearest(wanted, model.efforts)
    if model.family == "gpt":
        level = "none" if off and "none" in model.efforts else nearest
        if level:
            fields["reasoning"] = {"effort": level}
    elif off:
        if model.disable:
            fields["thinking"] = {"type": "disabled"}
    else:
        shown = asked.summary != "none" and model.display
        fields["thinking"] = {"type": "adaptive"} | ({"display": "summarized"} if shown else {})
        if nearest:
            fields["output_config"] = {"effort": nearest}
    return Thinking(_limited(request, model, fields), notice=_mapped(model, wanted, nearest, off))


def _effort(request: Request) -> str | None:
    """The effort as said, or what a budget of thinking tokens means."""
    asked = request.reasoning
    if asked.effort is not None or asked.budget_tokens is None or asked.enabled is False:
        return asked.effort
    budget = asked.budget_tokens
    return next((effort for most, effort in _BY_BUDGET if budget <= most), "xhigh")


def _by_tags(model: KiroModel, wanted: str | None, off: bool, settings: KiroSettings) -> Thinking:
    if off:
        return Thinking()
    if settings.thinking == "off":
        return Thinking(
            notice=Notice(
                "dropped_reasoning",
                f"kiro/{model.id} was not asked to think: `thinking` is off in [providers.kiro]",
            )
        )
    nearest = _nearest(wanted or "high", tuple(_BUDGETS)) or "high"
    prefix = (
        "<thinking_mode>enabled</thinking_mode>\n"
        f"<max_thinking_length>{_BUDGETS[nearest]}</max_thinking_length>\n"
    )
    return Thinking(prefix=prefix, notice=_mapped(model, wanted, nearest, off))


def _nearest(wanted: str, efforts: tuple[str, ...]) -> str:
    """The effort itself, else the next higher one, else the highest there is; `none` stands apart.

    Empty when there is no choice.
    """
    there = [effort for effort in EFFORTS if effort in efforts and effort != "none"]
    if wanted not in EFFORTS or not there:
        return ""
    place = EFFORTS.index(wanted)
    return next((effort for effort in there if EFFORTS.index(effort) >= place), there[-1])


def _mapped(model: KiroModel, wanted: str | None, got: str | None, off: bool) -> Notice | None:
    if off or wanted is None or not got or got == wanted:
        return None
    return Notice(
        "mapped_effort", f"kiro/{model.id} has no reasoning effort {wanted!r}: {got!r} was used"
    )


def _limited(request: Request, model: KiroModel, fields: JsonObject) -> JsonObject | None:
    """With the output limit, for models that have one."""
    most = request.sampling.max_output_tokens
    if model.limit is not None and most is not None:
        low, high = model.limit
        fields["max_tokens"] = max(low, min(high, most))
    return fields or None
