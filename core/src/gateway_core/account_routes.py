"""`/v1/accounts`: which accounts are logged in, and which of them serves."""

from typing import TYPE_CHECKING

from starlette.requests import Request as HttpRequest
from starlette.responses import Response as HttpResponse
from starlette.routing import Route

from gateway_core.accounts import account_facts, accounts_facts, gather_accounts, use_account
from gateway_core.endpoint import id_headers, read_json
from gateway_core.errors import InvalidRequest
from gateway_core.json import JsonObject, dumps

if TYPE_CHECKING:
    from gateway_core.runtime import Runtime

__all__ = ["account_routes"]


def account_routes(runtime: "Runtime") -> list[Route]:
    """`GET /v1/accounts`, of one provider with `?provider=`, and `POST /v1/accounts/active`, whose
    body names a `provider` and one of its accounts in any way that `gateway accounts use` takes.
    """

    async def list_accounts(request: HttpRequest) -> HttpResponse:
        accounts = await gather_accounts(runtime, request.query_params.get("provider"))
        return _answer(request, await accounts_facts(runtime, accounts))

    async def choose_account(request: HttpRequest) -> HttpResponse:
        limit = runtime.settings.server.max_body_bytes
        body = await read_json(request.receive, request.scope["gateway.headers"], limit)
        account = await use_account(runtime, _text(body, "provider"), _text(body, "account"))
        return _answer(request, account_facts(account))

    return [
        Route("/v1/accounts", list_accounts, methods=["GET"]),
        Route("/v1/accounts/active", choose_account, methods=["POST"]),
    ]


def _text(body: JsonObject, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value.strip():
        raise InvalidRequest(f"{name}: expected a text", param=name)
    return value


def _answer(request: HttpRequest, value: JsonObject) -> HttpResponse:
    pairs = id_headers(request.scope["gateway.request_id"])
    headers = {name.decode(): text.decode() for name, text in pairs}
    return HttpResponse(dumps(value), 200, headers, "application/json")
