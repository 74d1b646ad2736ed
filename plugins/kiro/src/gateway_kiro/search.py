"""Web search through the service's MCP endpoint, as data: requests, results, and what to tell.

Who asks the endpoint, and when, is the business of `gateway_kiro.opening` and `rounds`. JSON-RPC
2.0; the outcome is JSON text inside of a text part.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final
from urllib.parse import urlsplit

from gateway_core import Event, HostedCall, JsonObject, PartWriter, Request, Text, Usage
from gateway_core.json import dumps, dumps_text, loads
from gateway_core.request import HostedTool
from gateway_kiro.state import SearchPlan

__all__ = [
    "FAILED",
    "TOO_MANY",
    "Found",
    "SearchDecoder",
    "SearchOutcome",
    "direct_query",
    "hosted_call",
    "outcome_text",
    "read_outcome",
    "search_request",
]

FAILED: Final = "unavailable"
"""The error code of a search that did not work, in the words of the Messages API."""

TOO_MANY: Final = "max_uses_exceeded"
"""The error code of a search beyond those that a turn may have, in the same words."""

_ASKED: Final = "Perform a web search for the query: "
_LONGEST_QUERY: Final = 1000
_LONGEST_SNIPPET: Final = 2000
_MOST_RESULTS: Final = 20


@dataclass(slots=True, frozen=True)
class Found:
    """One result."""

    url: str
    title: str
    snippet: str = ""


@dataclass(slots=True, frozen=True)
class SearchOutcome:
    """What came of a search: results, or the code of an error."""

    query: str
    results: tuple[Found, ...] = ()
    error: str | None = None


def direct_query(request: Request) -> str | None:
    """The query of a turn that is nothing but one search; None for any other turn.

    Such a turn is what Claude Code makes of its own search tool.
    """
    if len(request.tools) != 1 or len(request.messages) != 1:
        return None
    tool = request.tools[0]
    if type(tool) is not HostedTool or tool.kind != "web_search":
        return None
    texts = [part.text for part in request.messages[0].parts if isinstance(part, Text)]
    told = "\n".join(texts).strip()
    query = told.removeprefix(_ASKED).strip()
    return query[:_LONGEST_QUERY] if told.startswith(_ASKED) and query else None


def search_request(query: str) -> bytes:
    """The body that asks for a search."""
    mark = hashlib.sha256(query.encode("utf-8", "replace")).hexdigest()
    id = f"web_search_tooluse_{mark[:22]}_{int(mark[22:34], 16) % 10**13:013d}_{mark[-8:]}"
    return dumps(
        {
            "jsonrpc": "2.0",
            "id": id,
            "method": "tools/call",
            "params": {"name": "web_search", "arguments": {"query": query}},
        }
    )


def read_outcome(query: str, body: bytes, plan: SearchPlan) -> SearchOutcome:
    """What an answer of the endpoint tells; anything unreadable is a search that did not work."""
    try:
        answer = loads(body)
        result = _object(_object(answer).get("result"))
        if result.get("isError") is True:
            return SearchOutcome(query, error=FAILED)
        texts = [_object(part).get("text") for part in _list(result.get("content"))]
        told = _object(loads("".join(text for text in texts if isinstance(text, str))))
    except ValueError:
        return SearchOutcome(query, error=FAILED)
    entries = told.get("results")
    if not isinstance(entries, list):
        return SearchOutcome(query, error=FAILED)
    found = [_found(_object(entry)) for entry in entries]
    results = _allowed(filter(None, found), plan)
    return SearchOutcome(query, tuple(islice(results, _MOST_RESULTS)))


def hosted_call(outcome: SearchOutcome, id: str) -> HostedCall:
    """The search as clients see it. id: unique within the answer."""
    result: JsonObject = {
        "sources": [{"url": found.url, "title": found.title} for found in outcome.results]
    }
    if outcome.error:
        result = {"error": outcome.error}
    return HostedCall(id, "web_search", dumps_text({"query": outcome.query}), result)


def outcome_text(outcome: SearchOutcome) -> str:
    """The results in words, for a model or a person."""
    if outcome.error == TOO_MANY:
        return "There are no more searches in this turn: answer with what is known."
    if outcome.error:
        return "The web search did not work."
    if not outcome.results:
        return f'No web pages were found for "{outcome.query}".'
    lines = [f'Web search results for "{outcome.query}":']
    for number, found in enumerate(outcome.results, 1):
        told = f"\n{number}. {found.title}\n{found.url}"
        lines.append(f"{told}\n{found.snippet}" if found.snippet else told)
    return "\n".join(lines)


class SearchDecoder:
    """A `StreamDecoder` for a turn that is nothing but one search: the answer is JSON and no
    stream.
    """

    def __init__(self, plan: SearchPlan) -> None:
        self._plan = plan
        self._body = bytearray()

    def feed(self, data: bytes) -> Sequence[Event]:
        """Nothing yet: JSON is read when it is complete."""
        self._body += data
        return []

    def end(self) -> Sequence[Event]:
        """The search, and its results in words."""
        outcome = read_outcome(self._plan.query or "", bytes(self._body), self._plan)
        writer = PartWriter()
        writer.begin()
        id = hashlib.sha256(outcome.query.encode("utf-8", "replace")).hexdigest()[:24]
        writer.whole("search", hosted_call(outcome, id))
        writer.text("text", outcome_text(outcome))
        writer.end("stop", Usage(web_searches=1))
        return writer.take()

    def data_to_send(self) -> bytes:
        """Nothing: the protocol does not answer back."""
        return b""


def _found(entry: JsonObject) -> Found | None:
    url, title, snippet = (entry.get(key) for key in ("url", "title", "snippet"))
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        return None
    return Found(
        url,
        title if isinstance(title, str) and title else url,
        snippet[:_LONGEST_SNIPPET] if isinstance(snippet, str) else "",
    )


def _allowed(results: Iterable[Found], plan: SearchPlan) -> Iterable[Found]:
    for found in results:
        try:
            host = urlsplit(found.url).hostname or ""
        except ValueError:
            continue
        if plan.allowed and not _within(host, plan.allowed):
            continue
        if not _within(host, plan.blocked):
            yield found


def _within(host: str, domains: Sequence[str]) -> bool:
    names = (domain.lower().partition("/")[0] for domain in domains)
    return any(host == name or host.endswith(f".{name}") for name in names)


def _object(value: Any) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
