"""The routes of message batches: which path and method is what of `MessageBatches`."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

from starlette.requests import Request as HttpRequest
from starlette.responses import Response as HttpResponse
from starlette.responses import StreamingResponse
from starlette.routing import Route

from gateway_core.endpoint import id_headers
from gateway_core.errands import Errand, JsonEndpoint
from gateway_core.formats import anthropic
from gateway_core.formats.anthropic.batches import (
    BatchPage,
    batch_list,
    batch_object,
    deleted_batch,
)
from gateway_core.json import JsonObject, dumps

if TYPE_CHECKING:
    from gateway_core.runtime import Runtime

__all__ = ["batch_routes"]

_PATH = "/v1/messages/batches"
_Answer = Callable[["_Asked"], Awaitable[JsonObject]]


class _Asked:
    """A request about batches."""

    def __init__(self, runtime: "Runtime", request: HttpRequest) -> None:
        self.batches = runtime.batches
        self.id: str = request.path_params.get("id", "")
        self.query = request.query_params
        self.base_url = f"{request.url.scheme}://{request.headers.get('host', '')}"
        pairs = id_headers(request.scope["gateway.request_id"])
        self.headers = {name.decode(): value.decode() for name, value in pairs}


def batch_routes(runtime: "Runtime") -> list[Route]:
    """Everything at and below `/v1/messages/batches`."""

    def answering(answer: _Answer) -> Callable[[HttpRequest], Awaitable[HttpResponse]]:
        async def respond(request: HttpRequest) -> HttpResponse:
            asked = _Asked(runtime, request)
            body = dumps(await answer(asked))
            return HttpResponse(body, 200, asked.headers, "application/json")

        return respond

    async def results(request: HttpRequest) -> HttpResponse:
        asked = _Asked(runtime, request)
        lines: AsyncIterator[bytes] = await asked.batches.results(asked.id)
        return StreamingResponse(lines, 200, asked.headers, "application/x-jsonl")

    return [
        Route(_PATH, JsonEndpoint(runtime, anthropic.FORMAT, _create), methods=["POST"]),
        Route(_PATH, answering(_list), methods=["GET"]),
        Route(f"{_PATH}/{{id}}", answering(_retrieve), methods=["GET"]),
        Route(f"{_PATH}/{{id}}", answering(_delete), methods=["DELETE"]),
        Route(f"{_PATH}/{{id}}/cancel", answering(_cancel), methods=["POST"]),
        Route(f"{_PATH}/{{id}}/results", results, methods=["GET"]),
    ]


async def _create(errand: Errand, body: JsonObject) -> JsonObject:
    return batch_object(await errand.runtime.batches.create(body), "")


async def _list(asked: _Asked) -> JsonObject:
    page = BatchPage.read(asked.query)
    found = await asked.batches.page(page)
    return batch_list(found, page, lambda batch: batch_object(batch, asked.base_url))


async def _retrieve(asked: _Asked) -> JsonObject:
    return batch_object(await asked.batches.get(asked.id), asked.base_url)


async def _cancel(asked: _Asked) -> JsonObject:
    return batch_object(await asked.batches.cancel(asked.id), asked.base_url)


async def _delete(asked: _Asked) -> JsonObject:
    await asked.batches.delete(asked.id)
    return deleted_batch(asked.id)
