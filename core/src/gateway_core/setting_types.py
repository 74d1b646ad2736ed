"""Types for the settings of plugins: what goes into addresses and headers, checked once."""

from typing import Annotated, TypeAlias

from pydantic import AfterValidator

__all__ = ["BaseUrl", "HeaderText"]


def _check_url(value: str) -> str:
    if not value.startswith(("https://", "http://")):
        raise ValueError("must start with https:// or http://")
    return value.rstrip("/")


def _check_header(value: str) -> str:
    if not value or not value.isascii() or not value.isprintable():
        raise ValueError("must be printable ASCII, because it travels in a header")
    return value


BaseUrl: TypeAlias = Annotated[str, AfterValidator(_check_url)]
"""An http or https address that paths are appended to; it loses its last slash."""
HeaderText: TypeAlias = Annotated[str, AfterValidator(_check_header)]
"""A text that a header can carry."""
