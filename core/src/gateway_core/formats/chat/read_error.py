"""An error answer of an upstream that speaks the format."""

from collections.abc import Mapping

from gateway_core.defaults import retry_after_in
from gateway_core.errors import GatewayError
from gateway_core.formats.openai_errors import error_from_object
from gateway_core.json import loads

__all__ = ["read_error"]


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError | None:
    """What the body of an answer outside 2xx means; None for one that is no JSON object, such as a
    proxy's page. Takes and gives what the hook `gateway_error` does.
    """
    try:
        value = loads(body)
    except ValueError:
        return None
    if not isinstance(value, dict):
        return None
    return error_from_object(value, status, retry_after=retry_after_in(headers))
