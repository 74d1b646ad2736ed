"""What the service tells about itself and an account, and the search that it runs: bodies alone."""

from typing import Any, Final

from gateway_core.json import JsonObject, dumps_text
from simulators.kiro.fixtures import document
from simulators.kiro.problem import Problem
from simulators.kiro.state import Account, KiroState

__all__ = ["models", "profiles", "search", "search_problems", "usage_limits"]

_USAGE: Final[JsonObject] = document("get-usage-limits")["responses"][0]["body"]
_TITLES: Final = {
    "KIRO FREE": "Q_DEVELOPER_STANDALONE_FREE",
    "KIRO PRO": "Q_DEVELOPER_STANDALONE_PRO",
}


def models(state: KiroState, token: object) -> JsonObject:
    """A page of the model list. token: of the page, as the page before told it."""
    start = int(token) if isinstance(token, str) and token.isdecimal() else 0
    listed = [facts.listed for facts in state.models.values()]
    body: JsonObject = {
        "models": listed[start : start + state.page],
        "defaultModel": {"modelId": "auto"},
    }
    if start + state.page < len(listed):
        body["nextToken"] = str(start + state.page)
    return body


def profiles(account: Account, region: str) -> JsonObject | Problem:
    """The profiles of an account in a region."""
    if account.kind == "builder":
        told = "AWS Builder ID is not supported for this operation."
        return Problem("has no profiles", told, "FEATURE_NOT_SUPPORTED", 403)
    there = account.profile is not None and account.profile.split(":")[3] == region
    listed = {"arn": account.profile, "profileName": "team", "status": "ACTIVE"}
    return {"profiles": [listed] if there else []}


def usage_limits(account: Account) -> JsonObject:
    """Plan and credits of an account."""
    entry = _USAGE["usageBreakdownList"][0] | {
        "currentUsage": int(account.used),
        "currentUsageWithPrecision": account.used,
        "usageLimit": int(account.limit),
        "usageLimitWithPrecision": account.limit,
    }
    return _USAGE | {
        "usageBreakdownList": [entry],
        "subscriptionInfo": {
            "type": _TITLES.get(account.plan, "Q_DEVELOPER_STANDALONE_POWER"),
            "subscriptionTitle": account.plan,
        },
        "overageConfiguration": {"overageStatus": "ENABLED" if account.overages else "DISABLED"},
        "userInfo": {"userId": account.id, "email": account.email},
    }


def search_problems(body: JsonObject) -> list[Problem]:
    """What is wrong with a call of the search."""
    found = []
    parameters: Any = body.get("params")
    if body.get("jsonrpc") != "2.0" or not isinstance(body.get("id"), str):
        found.append(Problem("the search is no call of JSON-RPC 2.0"))
    if body.get("method") != "tools/call" or not isinstance(parameters, dict):
        found.append(Problem("the search calls no tool"))
    elif parameters.get("name") != "web_search":
        found.append(Problem("the search calls another tool"))
    elif not (parameters.get("arguments") or {}).get("query"):
        found.append(Problem("the search has no query"))
    return found


def search(body: JsonObject) -> JsonObject:
    """What a search finds: always one page of our own."""
    query = body["params"]["arguments"]["query"]
    result = {
        "title": f"About {query}",
        "url": "https://example.com/found",
        "snippet": "It rains there.",
        "publishedDate": 1_767_225_600_000,
        "id": "r1",
        "domain": "example.com",
    }
    found = {"results": [result], "totalResults": 1, "query": query, "error": None}
    content = [{"type": "text", "text": dumps_text(found)}]
    return {"jsonrpc": "2.0", "id": body["id"], "result": {"content": content, "isError": False}}
