"""The HTTP surface: which path is answered by what.

`create_app` builds the application around a `Runtime`. Turns are served by `gateway_core.endpoint`;
here are the routes, the small endpoints beside them, and errors for paths that do not exist.
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import Response as HttpResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway_core.absent import advice_for
from gateway_core.account_routes import account_routes
from gateway_core.background import Background
from gateway_core.batches.endpoints import batch_routes
from gateway_core.endpoint import Generate, id_headers, known_error, send_error
from gateway_core.errands import JsonEndpoint, compact_conversation, token_counting
from gateway_core.errors import (
    GatewayError,
    InvalidRequest,
    ModelNotFound,
    NotFound,
)
from gateway_core.formats import anthropic, chat, models, responses
from gateway_core.formats.base import ClientFormat
from gateway_core.json import JsonObject, dumps
from gateway_core.local_auth import LocalGuard, headers_of
from gateway_core.painting import edit_images, generate_images, read_edit_body
from gateway_core.provider import StoredAction
from gateway_core.runtime import Runtime
from gateway_core.status import gather_status, refresh_facts, refresh_logins, status_facts
from gateway_core.stored import StoredResponses
from gateway_core.websocket import ResponsesSocket, as_handshake_refusal

__all__ = ["create_app"]


def create_app(runtime: Runtime, *, key: str | None) -> ASGIApp:
    """The ASGI application. `key` is the local API key; None asks clients for none."""
    server = runtime.settings.server
    serve = partial(JsonEndpoint, runtime)
    background = Background(runtime)
    count_messages = token_counting(anthropic.read_count_request, anthropic.count_body)
    count_input = token_counting(responses.read_count_request, responses.count_body)
    routes = [
        Route("/", _hello, methods=["GET", "HEAD"]),
        Route("/healthz", _healthy, methods=["GET", "HEAD"]),
        Route("/api/hello", _hello, methods=["GET", "HEAD"]),
        Route("/v1/messages", Generate(runtime, anthropic.FORMAT), methods=["POST"]),
        _post("/v1/messages/count_tokens", serve(anthropic.FORMAT, count_messages)),
        *batch_routes(runtime),
        Route("/v1/chat/completions", Generate(runtime, chat.FORMAT), methods=["POST"]),
        Route("/v1/responses", Generate(runtime, responses.FORMAT, background), methods=["POST"]),
        WebSocketRoute("/v1/responses", ResponsesSocket(runtime)),
        _post("/v1/responses/compact", serve(responses.FORMAT, compact_conversation)),
        _post("/v1/responses/input_tokens", serve(responses.FORMAT, count_input)),
        Route("/v1/responses/{id}", _retrieve(runtime, background), methods=["GET"]),
        Route("/v1/responses/{id}", _stored(runtime, "delete"), methods=["DELETE"]),
        Route("/v1/responses/{id}/cancel", _stored(runtime, "cancel"), methods=["POST"]),
        Route("/v1/responses/{id}/input_items", _stored(runtime, "input_items"), methods=["GET"]),
        _post("/v1/images/generations", serve(chat.FORMAT, generate_images, name="images")),
        _post(
            "/v1/images/edits",
            serve(chat.FORMAT, edit_images, name="images", read_body=read_edit_body),
        ),
        Route("/v1/status", _status(runtime), methods=["GET"]),
        Route("/v1/auth/refresh", _refresh(runtime), methods=["POST"]),
        *account_routes(runtime),
        Route("/v1/models", _models(runtime), methods=["GET"]),
        Route("/v1/models/{id:path}", _model(runtime), methods=["GET"]),
    ]
    handlers = {HTTPException: _no_such_route, GatewayError: _failed, Exception: _failed}
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False
    app.router.default = _nowhere
    guard = LocalGuard(
        app,
        key=key,
        allowed_hosts=[*server.allowed_hosts, *(address.host for address in server.addresses())],
        allowed_origins=server.allowed_origins,
        refuse=_refuse,
    )
    return _with_request_id(guard)


def _post(path: str, endpoint: JsonEndpoint) -> Route:
    return Route(path, endpoint, methods=["POST"])


def _with_request_id(app: ASGIApp) -> ASGIApp:
    async def numbered(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            scope["gateway.request_id"] = f"req_{secrets.token_hex(12)}"
        await app(scope, receive, send)

    return numbered


def _dialect(path: str, headers: Mapping[str, str]) -> ClientFormat:
    """The format whose clients ask this path, for errors."""
    if path.startswith("/v1/messages") or "anthropic-version" in headers:
        return anthropic.FORMAT
    return responses.FORMAT if path.startswith("/v1/responses") else chat.FORMAT


async def _refuse(scope: Scope, receive: Receive, send: Send, error: GatewayError) -> None:
    id = scope["gateway.request_id"]
    if scope["type"] == "websocket":
        await receive()  # websocket.connect
        send = as_handshake_refusal(send)
    await send_error(send, _dialect(scope["path"], headers_of(scope)), known_error(error, id), id)


async def _failed(request: HttpRequest, error: Exception) -> HttpResponse:
    """What an endpoint raised, in the dialect of its path."""
    id = request.scope["gateway.request_id"]
    known = known_error(error, id)
    format = _dialect(request.url.path, request.headers)
    return _json(request, format.error_body(known, id), format.error_status(known))


async def _nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    """A path without a route, be it asked over HTTP or for a WebSocket."""
    if scope["type"] == "websocket":
        await _refuse(scope, receive, send, _no_such_path(scope["path"]))
    else:
        raise HTTPException(404)


async def _no_such_route(request: HttpRequest, error: Exception) -> HttpResponse:
    assert isinstance(error, HTTPException)
    path = request.url.path
    if error.status_code == 405:
        told = NotFound(f"{request.method} is not possible on {path}")
    else:
        told = _no_such_path(path)
    id = request.scope["gateway.request_id"]
    body = _dialect(path, request.headers).error_body(known_error(told, id), id)
    return _json(request, body, error.status_code, error.headers)


def _no_such_path(path: str) -> NotFound:
    general = "base URLs end in the port or in /v1 for OpenAI clients"
    return NotFound(f"the gateway has no {path}; {advice_for(path) or general}")


async def _hello(request: HttpRequest) -> HttpResponse:
    return HttpResponse("gateway is running\n", 200, _ids(request), "text/plain")


async def _healthy(request: HttpRequest) -> HttpResponse:
    return _json(request, {"status": "ok"})


_Endpoint = Callable[[HttpRequest], Awaitable[HttpResponse]]


def _models(runtime: Runtime) -> _Endpoint:
    async def list_models(request: HttpRequest) -> HttpResponse:
        entries = runtime.router.models()
        if "anthropic-version" not in request.headers:
            return _json(request, models.openai_list(entries))
        query = request.query_params
        try:
            limit = int(query.get("limit", "20"))
        except ValueError as error:
            raise InvalidRequest("limit: expected an integer", param="limit") from error
        after_id, before_id = query.get("after_id"), query.get("before_id")
        page = models.anthropic_list(entries, limit=limit, after_id=after_id, before_id=before_id)
        return _json(request, page)

    return list_models


def _model(runtime: Runtime) -> _Endpoint:
    async def retrieve_model(request: HttpRequest) -> HttpResponse:
        name: str = request.path_params["id"]
        found = runtime.router.find(name)
        if found is None:
            raise ModelNotFound(f"no provider serves the model {name!r}; see `gateway models`")
        is_anthropic = "anthropic-version" in request.headers
        write = models.anthropic_model if is_anthropic else models.openai_model
        return _json(request, write(*found, id=name))

    return retrieve_model


def _stored(runtime: Runtime, action: StoredAction) -> _Endpoint:
    """`/v1/responses/{id}` and what is below it."""
    responses_kept = StoredResponses(runtime)

    async def act_on_response(request: HttpRequest) -> HttpResponse:
        id: str = request.path_params["id"]
        return _json(request, await responses_kept.act(action, id, request.query_params))

    return act_on_response


def _retrieve(runtime: Runtime, background: Background) -> _Endpoint:
    """`GET /v1/responses/{id}`: the object, or its events with `?stream=true`."""
    retrieve_whole = _stored(runtime, "retrieve")

    async def retrieve(request: HttpRequest) -> HttpResponse:
        if request.query_params.get("stream", "").lower() != "true":
            return await retrieve_whole(request)
        id: str = request.path_params["id"]
        numbered: str = request.scope["gateway.request_id"]
        return await background.stream(id, request.query_params, numbered)

    return retrieve


def _status(runtime: Runtime) -> _Endpoint:
    """`GET /v1/status`: logins, plans, limits. `?provider=` for one, `?offline=1` to ask none."""

    async def show_status(request: HttpRequest) -> HttpResponse:
        query = request.query_params
        offline = query.get("offline", "").lower() in ("1", "true", "yes")
        logins = await gather_status(runtime, query.get("provider"), offline=offline)
        return _json(request, await status_facts(runtime, logins))

    return show_status


def _refresh(runtime: Runtime) -> _Endpoint:
    """`POST /v1/auth/refresh`: new tokens for all logins, or for those of `?provider=`."""

    async def refresh(request: HttpRequest) -> HttpResponse:
        outcomes = await refresh_logins(runtime, request.query_params.get("provider"))
        return _json(request, refresh_facts(outcomes))

    return refresh


def _json(
    request: HttpRequest,
    value: JsonObject,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    headers = {**_ids(request), **(headers or {})}
    return HttpResponse(dumps(value), status, headers, "application/json")


def _ids(request: HttpRequest) -> dict[str, str]:
    pairs = id_headers(request.scope["gateway.request_id"])
    return {name.decode(): value.decode() for name, value in pairs}
