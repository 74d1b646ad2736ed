"""Form uploads (`multipart/form-data`), read by the standard library's MIME parser."""

from email.message import MIMEPart
from email.parser import BytesParser
from email.policy import HTTP
from typing import NamedTuple

from gateway_core.errors import InvalidRequest

__all__ = ["FormField", "is_form", "read_form"]

MOST_FIELDS = 200


class FormField(NamedTuple):
    """One field: `filename` and `type` (a media type) are None when it is no file."""

    name: str
    data: bytes
    filename: str | None
    type: str | None

    @property
    def text(self) -> str:
        """The value of a field that is no file. Raises `InvalidRequest`."""
        try:
            return self.data.decode()
        except UnicodeDecodeError as error:
            raise InvalidRequest(f"{self.name}: is not UTF-8", param=self.name) from error


def is_form(content_type: str) -> bool:
    """Whether a body of this type is one."""
    return content_type.partition(";")[0].strip().lower() == "multipart/form-data"


def read_form(body: bytes, content_type: str) -> list[FormField]:
    """The fields in order. Takes some milliseconds per megabyte. Raises `InvalidRequest`."""
    head = b"content-type: " + content_type.encode("latin-1", "replace") + b"\r\n\r\n"
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    if not message.is_multipart() or message.defects:
        raise InvalidRequest("the body is not the multipart form that its content-type announces")
    fields = [_read_field(part) for part in message.iter_parts()]
    if len(fields) > MOST_FIELDS:
        raise InvalidRequest(f"the form has more than {MOST_FIELDS} fields")
    return fields


def _read_field(part: MIMEPart) -> FormField:
    name = part.get_param("name", header="content-disposition")
    if not isinstance(name, str) or not name or part.is_multipart():
        raise InvalidRequest("a field of the form has no name, or holds another form")
    data = part.get_payload(decode=True)
    filename = part.get_filename()
    assert isinstance(data, bytes)
    return FormField(name, data, filename, part.get_content_type() if filename else None)
