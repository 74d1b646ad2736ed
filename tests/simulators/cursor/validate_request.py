"""The headers and the first message of a run, judged by sections 2.4 and 3.2 of the protocol."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Final

from gateway_cursor.proto import agent_pb2 as pb
from simulators.cursor.catalogue import MODELS, Model, by_id
from simulators.cursor.faults import error, with_details
from simulators.cursor.problem import Problem
from simulators.cursor.services import profile_problems
from simulators.cursor.validate_tools import tool_problems

__all__ = ["header_problems", "image_data", "model_of", "request_problems"]

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_VERSION: Final = re.compile(r"cli-\d{4}\.\d\d\.\d\d-[0-9a-f]{7}")
_LONGEST_TEXT: Final = 1_000_000
_MOST_IMAGES: Final = 12
_LARGEST_IMAGE: Final = 1024 * 1024
_BAD_MODEL: Final = with_details("not_found", 5, "Unknown model", "Model name is not valid.")
_TOO_LARGE: Final = with_details(
    "invalid_argument", 31, "Image too large", "Make it smaller and try again."
)
_MAGIC: Final = {
    "image/png": b"\x89PNG",
    "image/jpeg": b"\xff\xd8",
    "image/gif": b"GIF8",
    "image/webp": b"RIFF",
}


def header_problems(headers: Mapping[str, str]) -> Iterator[str]:
    """All that is wrong with the headers of a run, the token and the content type aside."""
    expected = {"connect-protocol-version": "1", "x-cursor-client-type": "cli"}
    for name, value in expected.items():
        if headers.get(name) != value:
            yield f"{name} is {headers.get(name)!r}"
    if not _VERSION.fullmatch(headers.get("x-cursor-client-version", "")):
        yield f"x-cursor-client-version is {headers.get('x-cursor-client-version')!r}"
    if headers.get("x-ghost-mode") not in ("true", "false"):
        yield f"x-ghost-mode is {headers.get('x-ghost-mode')!r}"
    for name in ("x-request-id", "x-original-request-id"):
        if not _UUID.fullmatch(headers.get(name, "" if name == "x-request-id" else "0" * 36)) and (
            name in headers or name == "x-request-id"
        ):
            yield f"{name} is {headers.get(name)!r}"
    for name in ("content-length", "content-encoding", "x-cursor-streaming", "cookie"):
        if name in headers:
            yield f"there is a header {name}"
    if headers.get("te", "trailers") != "trailers":
        yield f"te is {headers['te']!r}"
    yield from profile_problems(dict(headers))


def model_of(request: pb.AgentRunRequest) -> Model | None:
    """The model that a request means, if there is such a one."""
    wanted = request.requested_model
    if not wanted.parameters:
        return by_id(wanted.model_id) if wanted.model_id != "auto" else None
    given = {(parameter.id, parameter.value) for parameter in wanted.parameters}
    given = {pair for pair in given if pair[0] != "context"}
    return next(
        (
            model
            for model in MODELS
            if model.base == wanted.model_id and given <= set(model.parameters)
        ),
        None,
    )


def image_data(image: pb.SelectedImage) -> bytes:
    """The bytes of an image that came with the request."""
    if image.WhichOneof("data_or_blob_id") == "data":
        return image.data
    return image.blob_id_with_data.data


def request_problems(request: pb.AgentRunRequest) -> Iterator[Problem]:
    """All that is wrong with the first message of a run."""
    yield from _model(request)
    if request.HasField("custom_system_prompt"):
        refused = error("invalid_argument", "unknown option '--system-prompt'")
        yield Problem("a system prompt of its own is refused", refused)
    if not _UUID.fullmatch(request.conversation_id):
        yield Problem(f"the conversation has the id {request.conversation_id!r}")
    group = request.conversation_group_id
    if group and group != request.conversation_id:
        yield Problem("the group of the conversation has another id")
    for blob in request.pre_fetched_blobs:
        if hashlib.sha256(blob.value).digest() != blob.id:
            yield Problem("a blob that came with the request is not what its id says")
    state = request.conversation_state
    for kind in ("root_prompt_messages_json", "turns"):
        if any(len(id) != 32 for id in getattr(state, kind)):
            yield Problem(f"an id of {kind} has not 32 bytes", error("invalid_argument"))
    if state.pending_tool_calls or state.turns_old:
        yield Problem("a conversation brings a state that only the server may make")
    kind = request.action.WhichOneof("action")
    if kind == "user_message_action":
        yield from _message(request)
    elif kind != "resume_action":
        yield Problem(f"the action is {kind}", error("invalid_argument"))
    yield from tool_problems(request.mcp_tools.mcp_tools)


def _model(request: pb.AgentRunRequest) -> Iterator[Problem]:
    wanted, details = request.requested_model, request.model_details
    model = model_of(request)
    if model is None:
        yield Problem(f"there is no model {wanted.model_id!r}", _BAD_MODEL, blame=False)
    elif wanted.max_mode != model.max_mode:
        yield Problem(f"max_mode is {wanted.max_mode} for {model.id}")
    if wanted.parameters:
        if request.HasField("model_details"):
            yield Problem("there are parameters and model details")
    elif details.model_id != wanted.model_id:
        yield Problem(f"the model is {wanted.model_id!r} and {details.model_id!r}")
    elif details.display_model_id not in ("", details.model_id):
        yield Problem(f"the model is shown as {details.display_model_id!r}")


def _message(request: pb.AgentRunRequest) -> Iterator[Problem]:
    message = request.action.user_message_action.user_message
    images = message.selected_context.selected_images
    if not message.text.strip() and not images:
        yield Problem("the user says nothing", error("invalid_argument"))
    if len(message.text.encode()) > _LONGEST_TEXT:
        yield Problem("the user says too much", error("invalid_argument"), blame=False)
    if not _UUID.fullmatch(message.message_id):
        yield Problem(f"the message has the id {message.message_id!r}")
    if message.mode not in (pb.AGENT_MODE_AGENT, pb.AGENT_MODE_ASK, pb.AGENT_MODE_PLAN):
        yield Problem(f"the mode is {message.mode}")
    model = model_of(request)
    if images and model is not None and not model.sees:
        yield Problem(f"{model.id} sees no images")
    if len(images) > _MOST_IMAGES:
        yield Problem(f"there are {len(images)} images")
    for image in images:
        yield from _image(image)


def _image(image: pb.SelectedImage) -> Iterator[Problem]:
    kind = image.WhichOneof("data_or_blob_id")
    if kind is None:
        yield Problem("an image is empty")
        return
    if kind == "blob_id":
        return  # asked for like any blob
    data = image_data(image)
    id = image.blob_id_with_data.blob_id
    if kind == "blob_id_with_data" and hashlib.sha256(data).digest() != id:
        yield Problem("an image is not what its id says")
    if not _UUID.fullmatch(image.uuid):
        yield Problem(f"an image has the id {image.uuid!r}")
    if not data.startswith(_MAGIC.get(image.mime_type, b"no such type")):
        yield Problem(f"an image is not of the type {image.mime_type!r}")
    if len(data) > _LARGEST_IMAGE:
        yield Problem(f"an image has {len(data)} bytes", _TOO_LARGE, blame=False)
    size = image.dimension
    if image.HasField("dimension") and (size.width < 1 or size.height < 1):
        yield Problem(f"an image is {size.width} to {size.height}")
