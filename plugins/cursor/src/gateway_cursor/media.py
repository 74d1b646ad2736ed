"""Images in the service's form. Pure.

Images travel as raw bytes, inline: with the message of the user that is asked now, or in the result
of a tool. Nothing is fetched and nothing is scaled.
"""

import binascii
import hashlib
from base64 import b64decode
from typing import Final
from uuid import UUID

from gateway_core import InvalidRequest, Media, Unsupported
from gateway_core.image_size import image_size
from gateway_cursor.proto import agent_pb2 as pb

__all__ = ["MOST_IMAGES", "result_image", "selected_image"]

MOST_IMAGES: Final = 12
"""Images with one message; the service was not seen to take more."""

_HEADS: Final = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF8", "gif"),
)


def selected_image(media: Media, path: str, number: int) -> tuple[pb.SelectedImage, bytes]:
    """An image of the message that is asked now, called `image-<number>`, and its bytes, which the
    service may ask for again by their SHA-256.

    Raises `Unsupported` for other formats and for images that are not inline, `InvalidRequest` for
    what is no base64.
    """
    data, format = _decoded(media, path)
    digest = hashlib.sha256(data).digest()
    image = pb.SelectedImage(
        uuid=str(UUID(bytes=digest[:16], version=4)),
        path=f"image-{number}.{format}",
        mime_type=f"image/{format}",
        blob_id_with_data=pb.SelectedImage.BlobIdWithData(blob_id=digest, data=data),
    )
    if size := image_size(media.data or ""):
        image.dimension.width, image.dimension.height = size
    return image, data


def result_image(media: Media, path: str) -> pb.McpImageContent:
    """An image in the result of a tool. Raises like `selected_image`."""
    data, format = _decoded(media, path)
    return pb.McpImageContent(data=data, mime_type=f"image/{format}")


def _decoded(media: Media, path: str) -> tuple[bytes, str]:
    """Its bytes, and the format that they show, whatever is told: the service compares."""
    if media.data is None:
        how = "by URL" if media.url else "by file id"
        raise Unsupported(
            f"{path}: Cursor takes no {media.kind} {how}: send it inline as base64", param=path
        )
    try:
        data = b64decode(media.data)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(f"{path}: the image is no base64", param=path) from error
    format = _sniffed(data)
    if format is None:
        raise Unsupported(
            f"{path}: Cursor takes an image as PNG, JPEG, GIF or WebP, and this one, said to be "
            f"{media.type!r}, is none of them",
            param=path,
        )
    return data, format


def _sniffed(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return next((format for start, format in _HEADS if data.startswith(start)), None)
