"""`POST /v1/images/generations` and `/v1/images/edits`: find a model that can paint, and have it.

A name that is listed, by an alias of the settings too, is asked like any model. OpenAI's names of
image models (`gpt-image-2`) are listed by nobody: they, and no name at all, go to the fallback of
the settings if that model can paint, else to the first listed model that can, in the order of
providers; `codex/gpt-image-2` looks at one provider only. The image model's name is then an option
of the tool. Several pictures are as many turns, a few at a time; when one fails, all do.
"""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from starlette.types import Receive

from gateway_core.endpoint import read_bytes, read_json
from gateway_core.errors import ModelNotFound
from gateway_core.formats import images
from gateway_core.json import JsonObject
from gateway_core.multipart import is_form, read_form
from gateway_core.parts import Response
from gateway_core.provider import Model
from gateway_core.request import Request

if TYPE_CHECKING:
    from gateway_core.errands import Errand
    from gateway_core.exchange import Turn
    from gateway_core.runtime import Runtime

__all__ = ["edit_images", "generate_images", "read_edit_body"]

AT_ONCE = 4
_TOOL = "image_generation"


async def generate_images(errand: "Errand", body: JsonObject) -> JsonObject:
    """Serve one request; a `Work` of `gateway_core.errands`."""
    return await _paint(errand, images.read_request(body))


async def edit_images(errand: "Errand", body: JsonObject) -> JsonObject:
    """The same, from pictures; a `Work` of `gateway_core.errands`."""
    return await _paint(errand, images.read_edit(body))


async def read_edit_body(receive: Receive, headers: Mapping[str, str], limit: int) -> JsonObject:
    """The body of an edit: JSON, or a form with the pictures as files. Raises `InvalidRequest`."""
    content_type = headers.get("content-type", "")
    if not is_form(content_type):
        return await read_json(receive, headers, limit)
    data = await read_bytes(receive, headers, limit)
    return await asyncio.to_thread(lambda: images.body_of_form(read_form(data, content_type)))


async def _paint(errand: "Errand", order: images.Order) -> JsonObject:
    _choose_model(errand.runtime, order.request)
    turns = [await errand.turn(order.request) for _ in range(order.count)]
    places = asyncio.Semaphore(AT_ONCE)

    async def paint(turn: "Turn") -> Response:
        async with places:
            return await turn.collect()

    try:
        async with asyncio.TaskGroup() as group:
            painted = [group.create_task(paint(turn)) for turn in turns]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return images.images_body(order, [answer.result() for answer in painted])


def _choose_model(runtime: "Runtime", request: Request) -> None:
    """Make the request name a model that paints. Raises `ModelNotFound` when there is none."""
    name = request.model
    provider, model = _split(runtime, name)
    wanted = images.image_model(model)
    found = runtime.router.find(name) if name else None
    if found is None and (wanted or not name):
        found = _painter(runtime, provider)
        request.model = f"{found[0]}/{found[1].id}"
    if wanted and found is not None and found[1].id != wanted:
        images.use_image_model(request, wanted)


def _split(runtime: "Runtime", name: str) -> tuple[str | None, str]:
    """The provider that a name begins with, if any, and the rest."""
    for separator in "/:":
        provider, found, rest = name.partition(separator)
        if found and provider in runtime.plugins.providers:
            return provider, rest
    return None, name


def _painter(runtime: "Runtime", provider: str | None) -> tuple[str, Model]:
    candidates = runtime.router.models(provider)
    if provider is None and (fallback := runtime.settings.routing.fallback):
        found = runtime.router.find(fallback)
        candidates = [*([found] if found else []), *candidates]
    for id, model in candidates:
        capabilities = model.capabilities or runtime.plugins.providers[id].info.capabilities
        if _TOOL in capabilities.hosted_tools:
            return id, model
    raise ModelNotFound(
        "no model that is served can generate images; log in to a provider that can with "
        "`gateway login`, or name a model",
        param="model",
    )
