"""The OpenAI Chat Completions format: all four quadrants.

Client side: `read_request`, `StreamWriter`, `error_body`, `error_status`, bundled as `FORMAT`.
Upstream side: `write_request`, `StreamReader` and `read_error`, for providers that speak it.
"""

from gateway_core.formats.base import ClientFormat
from gateway_core.formats.chat.read_error import read_error
from gateway_core.formats.chat.read_request import FAILED_PREFIX, read_request
from gateway_core.formats.chat.read_stream import StreamReader
from gateway_core.formats.chat.write_request import SESSION_FIELDS, write_request
from gateway_core.formats.chat.write_stream import StreamWriter
from gateway_core.formats.openai_errors import error_body, error_status

__all__ = [
    "FAILED_PREFIX",
    "FORMAT",
    "SESSION_FIELDS",
    "StreamReader",
    "StreamWriter",
    "error_body",
    "error_status",
    "read_error",
    "read_request",
    "write_request",
]

FORMAT = ClientFormat(
    name="chat",
    read_request=read_request,
    writer=StreamWriter,
    error_body=error_body,
    error_status=error_status,
)
