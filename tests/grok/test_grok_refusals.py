"""What a refusal means to the request: whether the core is told to ask in another way."""

from typing import Any

from gateway_core import (
    ContextOverflow,
    Forbidden,
    GatewayError,
    InvalidRequest,
    ModelNotFound,
    Request,
    Unauthorized,
    Unsupported,
    UpstreamFailed,
)
from gateway_core.compaction import trigger
from gateway_core.errors import NotFound
from gateway_core.events import Fail
from gateway_core.json import dumps
from gateway_core.request import SessionHints
from gateway_grok.plugin import GrokProvider
from gateway_grok.settings import GrokSettings
from support.about import each
from support.grok_asking import decoded, hello, translated

API = GrokSettings(rail="api")
SPENT = {"code": "personal-team-blocked:spending-limit", "error": "No credit."}
DENIED = {"code": "permission-denied", "error": "Access denied."}
BAD = {"code": "unauthenticated:bad-credentials", "error": "No."}
NO_PLAN = {"error": "This requires a Grok subscription."}
NO_MODEL = {"error": "The model grok-9 does not exist."}
OVERFLOW = {"error": "This model's maximum prompt length is 1 but the request contains 2 tokens."}
LOST = "previous_response_not_found"
NO_COMPACTION = "compaction_unavailable"


def going_on(**more: Any) -> Request:
    return hello(session=SessionHints(previous_response_id="resp_01"), **more)


def compacting(session: SessionHints | None = None) -> Request:
    request = hello(session=session or SessionHints())
    request.messages.append(trigger())
    return request


def refused(request: Request, status: int, body: Any, **headers: str) -> GatewayError:
    """The error for a refusal by the public API."""
    data = body if isinstance(body, bytes) else dumps(body)
    call = translated(request, settings=API)
    return GrokProvider().gateway_error(status, headers, data, call)


# --- going on from a stored response ------------------------------------------------------------


@each(
    "status, body",
    [
        (404, {"error": "Response resp_01 not found"}),
        (404, {"code": "Some requested entity was not found", "error": "Not found."}),
        (404, {"error": "No such thing."}),
        (404, b""),
        (400, {"error": "Previous response with id 'resp_01' not found."}),
        (400, {"error": "Response with id=resp_01 does not exist"}),
        (400, {"error": "The response resp_01 has expired."}),
        (400, {"error": {"code": "previous_response_not_found", "message": "No."}}),
        (400, {"error": "Argument not supported: previous_response_id"}),
        (400, {"error": "Could not find response for id resp_01: unknown response"}),
        (400, {"error": "Response not found"}),
        (400, {"error": "The response has been deleted."}),
        (400, {"code": "invalid-argument", "error": "Response not found"}),
        (400, {"error": "There is no such response."}),
        (410, {"error": "Response 'resp_01' is no longer there"}),
        (422, {"error": "previous_response_id: invalid length"}),
        (402, {"error": "Pay."}),
        (403, SPENT),
        (403, DENIED),
        (429, SPENT),
    ],
)
def test_a_response_that_cannot_be_gone_on_from_has_the_code_that_replays_it(
    status: int, body: Any
) -> None:
    error = refused(going_on(), status, body)
    assert type(error) is InvalidRequest
    assert (error.code, error.param) == (LOST, "previous_response_id")
    assert "send the whole conversation" in error.message
    assert error.upstream is not None
    assert error.upstream["status"] == status
    if isinstance(body, dict) and isinstance(body["error"], str):
        assert body["error"] in error.message


@each(
    "status, body, kind",
    [
        (404, NO_MODEL, ModelNotFound),
        (400, OVERFLOW, ContextOverflow),
        (400, {"error": "Bad response format: schema does not exist"}, InvalidRequest),
        (400, {"error": "No response from the image host: file not found"}, InvalidRequest),
        (400, {"error": "The tool response names a call that does not exist"}, InvalidRequest),
        (422, {"error": "The MCP server's response: session expired"}, InvalidRequest),
        (400, {"error": "encrypted_content is not valid"}, InvalidRequest),
        (401, {"error": "No response was authorised."}, Unauthorized),
        (403, BAD, Unauthorized),
        (403, NO_PLAN, Forbidden),
        (403, b"<html>Just a moment...", Forbidden),
        (404, b"<html>Not found", UpstreamFailed),
        (500, {"error": "The previous response was lost."}, UpstreamFailed),
    ],
)
def test_any_other_refusal_stays_what_it_is(status: int, body: Any, kind: type) -> None:
    error = refused(going_on(), status, body)
    assert type(error) is kind
    assert error.code != LOST


def test_a_request_that_goes_on_from_nothing_is_never_replayed() -> None:
    for status, body in ((404, {"error": "Response not found"}), (402, SPENT), (403, DENIED)):
        assert refused(hello(), status, body).code != LOST


@each(
    "code, words, lost",
    [
        ("previous_response_not_found", "No.", True),
        ("invalid_request_error", "Previous response with id 'resp_01' not found.", True),
        ("server_error", "Response resp_01 not found", True),
        ("response_not_found", "No.", True),
        ("server_error", "Response not found", True),
        ("server_error", "No response from the search server", False),
        ("server_error", "The response of the tool was deleted", False),
        ("server_error", "Something happened.", False),
        ("context_length_exceeded", "The previous response is too long for this model", False),
    ],
)
def test_the_same_may_come_within_an_answer(code: str, words: str, lost: bool) -> None:
    event = {"type": "response.failed", "response": {"error": {"code": code, "message": words}}}
    for request, expected in ((going_on(), lost), (hello(), False)):
        failure = decoded([b"data: %b\n\n" % dumps(event)], translated(request, settings=API))[-1]
        assert isinstance(failure, Fail)
        assert (failure.error.param == "previous_response_id") is expected


# --- compaction ---------------------------------------------------------------------------------


@each(
    "status, body",
    [
        (404, b""),
        (404, {"error": "Not found."}),
        (404, b"<html>Not found"),
        (405, {"error": "Method not allowed"}),
        (501, {"error": "Not implemented"}),
        (402, {"error": "Pay."}),
        (403, SPENT),
        (403, DENIED),
        (403, {"error": "Your team may not do this."}),
        (429, SPENT),
    ],
)
def test_where_xai_does_not_compact_the_model_is_asked_for_a_summary(
    status: int, body: Any
) -> None:
    error = refused(compacting(), status, body)
    assert type(error) is Unsupported
    assert error.code == NO_COMPACTION
    assert error.upstream is not None
    assert (error.upstream["status"], error.upstream["rail"]) == (status, "api")


@each(
    "status, body, kind",
    [
        (400, OVERFLOW, ContextOverflow),
        (400, {"error": "Argument not supported: input"}, InvalidRequest),
        (400, {"error": "encrypted_content is not valid"}, InvalidRequest),
        (401, {"error": "No."}, Unauthorized),
        (403, BAD, Unauthorized),
        (403, NO_PLAN, Forbidden),
        (403, b"<html>Just a moment...", Forbidden),
        (404, NO_MODEL, ModelNotFound),
        (500, {"error": "Oops."}, UpstreamFailed),
    ],
)
def test_a_refusal_of_what_is_compacted_stays_what_it_is(
    status: int, body: Any, kind: type
) -> None:
    error = refused(compacting(), status, body)
    assert type(error) is kind
    assert error.code != NO_COMPACTION


@each(
    "status, body, code",
    [
        (404, {"error": "Response resp_01 not found"}, LOST),
        (402, SPENT, LOST),
        (404, b"", NO_COMPACTION),
        (405, b"", NO_COMPACTION),
    ],
)
def test_a_stored_response_that_cannot_be_compacted_is_told_whole_or_summarised(
    status: int, body: Any, code: str
) -> None:
    session = SessionHints(previous_response_id="resp_01")
    assert refused(compacting(session), status, body).code == code


def test_a_missing_path_for_a_picture_is_about_no_response() -> None:
    request = going_on()
    call = translated(request, "grok-imagine-image", API)
    error = GrokProvider().gateway_error(404, {}, b'{"error":"Not found."}', call)
    assert type(error) is NotFound
