"""What xAI offers besides answers: profile, credits, lists of models, and pictures.

Bodies in, bodies out; HTTP is around it.
"""

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from gateway_core.json import JsonObject
from simulators.grok.catalogue import (
    IMAGE_MODELS,
    describe_language,
    describe_proxy,
)
from simulators.grok.problem import Problem, check_keys, not_supported, one_of
from simulators.grok.state import Account, GrokState
from support.pictures import PNG_BASE64

__all__ = [
    "billing",
    "image_models",
    "language_models",
    "painted",
    "picture_problems",
    "profile",
    "proxy_models",
    "public_models",
    "settings",
    "tokenize",
]

_WEEK: Final = 7 * 86_400
_RATIOS: Final = frozenset(
    {"auto", "1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3", "2:1", "1:2"}
)
_PICTURE_FIELDS: Final = frozenset(
    {"model", "prompt", "n", "aspect_ratio", "resolution", "response_format", "user"}
)


def profile(account: Account, *, with_plan: bool) -> JsonObject:
    """`GET /user`; the plan only for those who include it."""
    body: JsonObject = {
        "userId": account.id,
        "email": account.email,
        "firstName": account.first,
        "lastName": account.last,
        "profileImageAssetId": None,
        "principalType": "Team" if account.team else "User",
        "principalId": account.team or account.id,
        "teamId": account.team,
        "teamName": None,
        "teamRole": None,
        "organizationId": None,
        "userBlockedReason": None,
        "teamBlockedReasons": ["BLOCKED_REASON_NO_LOGS"] if account.no_logs else [],
        "codingDataRetentionOptOut": True,
    }
    return body | ({"subscriptionTier": account.plan} if with_plan and account.tier else {})


def billing(account: Account, now: float) -> JsonObject:
    """`GET /billing?format=credits`: the week's credits; `{}` is no cents at all."""
    week = math.floor(now / _WEEK) * _WEEK
    return {
        "config": {
            "creditUsagePercent": account.credit_used,
            "currentPeriod": {
                "type": "USAGE_PERIOD_TYPE_WEEKLY",
                "start": _written(week),
                "end": _written(week + _WEEK),
            },
            "monthlyLimit": {"val": 15_000},
            "used": {"val": round(150 * account.credit_used)},
            "onDemandCap": {},
            "onDemandUsed": {},
            "prepaidBalance": {"val": account.prepaid} if account.prepaid else {},
            "isUnifiedBillingUser": True,
            "billingPeriodStart": _written(week),
            "billingPeriodEnd": _written(week + 4 * _WEEK),
            "history": [],
        },
        "on_demand_enabled": False,
        "subscription_tier": account.plan,
    }


def settings(account: Account) -> JsonObject:
    """`GET /settings` of the proxy."""
    return {
        "allow_access": account.proxy != "denied",
        "subscription_tier_display": account.plan,
        "on_demand_enabled": False,
    }


def proxy_models(state: GrokState, account: Account) -> JsonObject:
    """`GET /models` of the proxy; an entry without a name is among them."""
    listed = [
        describe_proxy(model) for model in state.models.values() if account.tier or not model.paid
    ]
    return {"object": "list", "data": [*listed, {"name": "Nameless", "contextWindow": 1}]}


def public_models(state: GrokState) -> JsonObject:
    """`GET /models` of the public API."""
    listed = [describe_language(model) for model in state.models.values() if model.public]
    known = ("id", "created", "object", "owned_by")
    return {"object": "list", "data": [{key: each[key] for key in known} for each in listed]}


def language_models(state: GrokState) -> JsonObject:
    """`GET /language-models` of the public API."""
    return {"models": [describe_language(model) for model in state.models.values() if model.public]}


def image_models() -> JsonObject:
    """`GET /image-generation-models` of the public API."""
    return {"models": [{"id": id, "object": "model", "owned_by": "xai"} for id in IMAGE_MODELS]}


def tokenize(text: str) -> JsonObject:
    """`POST /tokenize-text`: one token a word."""
    return {
        "token_ids": [
            {"token_id": number, "string_token": word, "token_bytes": list(word.encode())}
            for number, word in enumerate(text.split())
        ]
    }


def picture_problems(body: JsonObject, *, edit: bool) -> Iterator[Problem]:
    """All that is wrong with a request for pictures, new ones or edits."""
    for key in body.keys() - _PICTURE_FIELDS - ({"image", "images"} if edit else set()):
        yield not_supported(key)
    if body.get("model") not in IMAGE_MODELS:
        yield Problem(f"The model {body.get('model')} does not exist", 404)
    if not isinstance(body.get("prompt"), str) or not body["prompt"]:
        yield Problem("missing field `prompt`", 422)
    count = body.get("n", 1)
    if type(count) is not int or not 1 <= count <= 3:
        yield Problem("`n` must be between 1 and 3")
    if "aspect_ratio" in body:
        yield from one_of(body["aspect_ratio"], _RATIOS, "aspect_ratio")
    if "resolution" in body:
        yield from one_of(body["resolution"], ("1k", "2k"), "resolution")
    yield from one_of(body.get("response_format", "url"), ("url", "b64_json"), "response_format")
    if edit:
        yield from _source_problems(body)


def _source_problems(body: JsonObject) -> Iterator[Problem]:
    if ("image" in body) == ("images" in body):
        yield Problem("either `image` or `images`", 422)
        return
    sources = body["images"] if "images" in body else [body["image"]]
    for source in sources if isinstance(sources, list) else [sources]:
        if not isinstance(source, dict):
            yield Problem("an image must be an object", 422)
            continue
        yield from check_keys(source, ("url", "type"), "image")
        if source.get("type") != "image_url":
            yield Problem("image: `type` must be image_url", 422)
        if not str(source.get("url")).startswith(("data:image/", "https://")):
            yield Problem("image: `url` must be https or a data URI", 422)


def painted(body: JsonObject, *, moderated: bool) -> JsonObject:
    """The pictures; filtered ones come without a picture."""
    if moderated:
        pictures: list[JsonObject] = [{"respect_moderation": False}]
    elif body.get("response_format") == "b64_json":
        shape = {"revised_prompt": "", "respect_moderation": True}
        pictures = [{"b64_json": PNG_BASE64, **shape}] * int(body.get("n", 1))
    else:
        pictures = [{"url": "https://imgen.x.ai/short-lived.png", "respect_moderation": True}]
    return {"data": pictures, "usage": {"cost_in_usd_ticks": 200_000_000}}


def _written(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
