"""The OpenAI Responses format: all four quadrants.

Client side: `read_request`, `StreamWriter`, bundled as `FORMAT`, and the endpoints beside it.
Upstream side: `write_request`, `StreamReader`.
"""

from gateway_core.formats.base import ClientFormat
from gateway_core.formats.openai_errors import error_body, error_status
from gateway_core.formats.responses.compact import (
    compact_body,
    count_body,
    read_compact_request,
    read_count_request,
)
from gateway_core.formats.responses.read_request import read_request
from gateway_core.formats.responses.read_stream import StreamReader
from gateway_core.formats.responses.schema import FORMAT_NAME
from gateway_core.formats.responses.write_request import write_request
from gateway_core.formats.responses.write_stream import StreamWriter

__all__ = [
    "FORMAT",
    "StreamReader",
    "StreamWriter",
    "compact_body",
    "count_body",
    "read_compact_request",
    "read_count_request",
    "read_request",
    "write_request",
]

FORMAT = ClientFormat(
    name=FORMAT_NAME,
    read_request=read_request,
    writer=StreamWriter,
    error_body=error_body,
    error_status=error_status,
)
