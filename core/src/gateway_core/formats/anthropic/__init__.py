"""The Anthropic Messages format, client side: requests in, answers and errors out."""

from gateway_core.formats.anthropic.count_tokens import count_body, read_count_request
from gateway_core.formats.anthropic.read_request import read_request
from gateway_core.formats.anthropic.schema import FORMAT_NAME
from gateway_core.formats.anthropic.write_error import error_body, error_status
from gateway_core.formats.anthropic.write_stream import StreamWriter
from gateway_core.formats.base import ClientFormat

__all__ = [
    "FORMAT",
    "StreamWriter",
    "count_body",
    "error_body",
    "error_status",
    "read_count_request",
    "read_request",
]

FORMAT = ClientFormat(
    name=FORMAT_NAME,
    read_request=read_request,
    writer=StreamWriter,
    error_body=error_body,
    error_status=error_status,
)
