"""The token counting endpoint of the Anthropic format: the same request, without the answer.

Counting itself is not done here; a request is read, and a number is written.
"""

from collections.abc import Mapping

from gateway_core.formats.anthropic.read_request import read_request
from gateway_core.json import JsonObject
from gateway_core.request import Request

__all__ = ["count_body", "read_count_request"]


def read_count_request(body: JsonObject, headers: Mapping[str, str]) -> Request:
    """The request whose input tokens are asked for: with a `compaction`, those of the conversation
    as it is. Raises as `read_request` does.
    """
    if "compaction" in body:
        body = {key: value for key, value in body.items() if key != "compaction"}
    request = read_request(body, headers)
    request.stream = False
    return request


def count_body(tokens: int) -> JsonObject:
    """The answer: a number of input tokens."""
    return {"input_tokens": tokens}
