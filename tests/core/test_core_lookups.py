"""What a plugin asks its vendor besides turns."""

from collections.abc import Mapping
from datetime import UTC, datetime

import httpx
import pytest

from gateway_core import Forbidden, GatewayError, UpstreamProtocol
from gateway_core.lookups import get_object, list_at, number_at, text_at, time_at, value_at
from support.about import each

URL = "https://vendor.example/me"


def known(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError | None:
    return Forbidden("known") if b"known" in body else None


async def asked(answer: httpx.Response | Exception) -> object:
    def respond(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as http:
        return await get_object(http, URL, title="Vendor", headers={}, read_error=known)


async def test_the_object_comes_back() -> None:
    assert await asked(httpx.Response(200, json={"a": 1})) == {"a": 1}


@each(
    "answer, kind, words",
    [
        (httpx.Response(403, content=b"known"), "forbidden", "known"),
        (httpx.Response(503, json={"message": "later"}), "overloaded", "later"),
        (httpx.Response(302, headers={"location": "https://else.example"}), "upstream_failed", "3"),
        (httpx.Response(200, content=b"<html>"), "upstream_protocol", "JSON"),
        (httpx.ReadTimeout("slow"), "timeout", "Vendor"),
    ],
)
async def test_everything_else_is_an_error_in_words(
    answer: httpx.Response | Exception, kind: str, words: str
) -> None:
    with pytest.raises(GatewayError, match=words) as caught:
        await asked(answer)
    assert caught.value.kind == kind


def test_members_are_read_as_far_as_they_are_there() -> None:
    answer = {"a": {"text": "x", "none": "", "n": "12.5", "list": [1], "t": "2026-12-01T04:11:09Z"}}
    assert value_at(answer, "a", "text") == "x"
    assert value_at(answer, "a", "text", "deeper") is None
    assert (text_at(answer, "a", "text"), text_at(answer, "a", "none")) == ("x", None)
    assert (number_at(answer, "a", "n"), number_at(answer, "a", "text")) == (12.5, None)
    odd: tuple[object, ...] = (True, "nan", 10**400, [])
    assert [number_at({"n": value}, "n") for value in odd] == [None] * 4
    assert (list_at(answer, "a", "list"), list_at(answer, "b")) == ([1], [])
    assert time_at(answer, "a", "t") == datetime(2026, 12, 1, 4, 11, 9, tzinfo=UTC)
    assert time_at({"t": "2026-12-01T04:11:09.120345123Z"}, "t") is not None
    assert time_at({"t": "soon"}, "t") is None


def test_an_error_is_retold_as_another_kind() -> None:
    error = Forbidden("no", retry_after=3, code="c", upstream={"status": 403})
    told = error.retold(UpstreamProtocol, "try again")
    assert told == UpstreamProtocol(
        "no (try again)", retry_after=3, code="c", upstream={"status": 403}
    )
