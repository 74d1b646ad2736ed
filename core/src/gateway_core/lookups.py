"""What a plugin asks its vendor besides turns (models, profile, limits): the question, and lenient
readers for answers whose members may be missing or of another type.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gateway_core.defaults import message_in
from gateway_core.errors import GatewayError, UpstreamProtocol, error_for_status
from gateway_core.http_errors import translate_http_errors
from gateway_core.json import JsonObject, loads_object

if TYPE_CHECKING:
    import httpx

__all__ = ["get_object", "list_at", "number_at", "text_at", "time_at", "value_at"]

_GREATEST = 1e18


async def get_object(
    http: "httpx.AsyncClient",
    url: str,
    *,
    title: str,
    headers: Mapping[str, str],
    read_error: Callable[[int, Mapping[str, str], bytes], GatewayError | None],
    timeout: float = 10.0,
) -> JsonObject:
    """The JSON object that a `GET` answers. Redirects are not followed.

    title: the vendor's name in messages. read_error: as the hook `gateway_error`. timeout: in
    seconds. Raises `GatewayError` for everything else.
    """
    headers = {"accept": "application/json", **headers}
    with translate_http_errors(title):
        answer = await http.get(url, headers=headers, timeout=timeout, follow_redirects=False)
    if answer.status_code != 200:
        told = {name.lower(): value for name, value in answer.headers.items()}
        known = read_error(answer.status_code, told, answer.content)
        message = message_in(answer.content, told)
        words = message or f"{title} answered with status {answer.status_code}"
        raise known or error_for_status(answer.status_code, words)
    try:
        return loads_object(answer.content)
    except ValueError as error:
        raise UpstreamProtocol(f"{title} answered with something other than JSON") from error


def value_at(value: object, *keys: str) -> Any:
    """What is below these keys; None where there is no object, or not such a key."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def list_at(value: object, *keys: str) -> list[Any]:
    """The list below these keys, or an empty one."""
    found = value_at(value, *keys)
    return found if isinstance(found, list) else []


def text_at(value: object, *keys: str) -> str | None:
    """The text below these keys; None for none, for an empty one, and for anything else."""
    found = value_at(value, *keys)
    return found if isinstance(found, str) and found else None


def number_at(value: object, *keys: str) -> float | None:
    """The number below these keys, which may be written as a text; None for anything else."""
    found = value_at(value, *keys)
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        return None
    try:
        number = float(found)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) < _GREATEST else None


def time_at(value: object, *keys: str) -> datetime | None:
    """The time in ISO 8601 below these keys, in UTC when it says no zone; None for anything
    else.
    """
    text = text_at(value, *keys)
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC) if moment else None
