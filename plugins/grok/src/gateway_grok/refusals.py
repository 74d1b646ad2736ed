"""What a refusal means to the very request that was refused: whether the core can ask for the same
in another way.

`errors` knows what xAI says. Here is what follows for a turn that goes on from a stored response,
which can be told as a whole conversation instead, and for one that compacts, in whose place the
model can be asked for a summary. The codes are the core's.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from gateway_core import ContextOverflow, GatewayError, InvalidRequest, ModelNotFound, Unsupported
from gateway_core.errors import NotFound, UpstreamFailed
from gateway_grok.errors import is_other_rail, names_response, read_error, read_told

if TYPE_CHECKING:
    from gateway_grok.rails import CallState

__all__ = ["in_other_words", "no_compaction", "not_gone_on_from", "read_refusal"]

_NOT_GONE_ON_FROM: Final = "previous_response_not_found"
_NO_COMPACTION: Final = "compaction_unavailable"
_NO_ENDPOINT: Final = frozenset({404, 405, 501})
_ABOUT_A_FIELD: Final = frozenset({400, 404, 410, 422})


def not_gone_on_from(said: str) -> InvalidRequest:
    """That a turn cannot go on from a stored response. said: why, in xAI's words or ours."""
    return InvalidRequest(
        f"previous_response_id: {said}; send the whole conversation in `input` instead",
        param="previous_response_id",
        code=_NOT_GONE_ON_FROM,
    )


def no_compaction(said: str) -> Unsupported:
    """That this account or host has no compaction of its own. said: why, in xAI's words or ours."""
    return Unsupported(f"xAI does not compact here: {said}", code=_NO_COMPACTION)


def read_refusal(
    status: int, headers: Mapping[str, str], body: bytes, state: "CallState"
) -> GatewayError:
    """The error behind a non-2xx answer to a call, with what the other host said before it."""
    error = read_error(status, headers, body, state.rail)
    told = read_told(headers, body)
    elsewhere = is_other_rail(status, headers, body, state.rail)
    said = (told.slug, told.words) if told is not None and status in _ABOUT_A_FIELD else ()
    missing = status in _NO_ENDPOINT and not isinstance(error, ModelNotFound)
    lost = elsewhere or names_response(*said)
    if status == 404 and told is not None and not state.compacts:
        lost = lost or missing  # the endpoint for answers is there, so what is not must be this
    meant: GatewayError = error
    if state.continues and lost and not isinstance(error, ContextOverflow):
        meant = not_gone_on_from(error.message)
    elif state.compacts and (elsewhere or missing):
        meant = no_compaction(error.message)
    meant.upstream = error.upstream
    if state.refusal is not None:
        meant.message += f" (asked before, the other host refused: {state.refusal})"
        meant.args = (meant.message,)
    return meant


def in_other_words(error: GatewayError, state: "CallState") -> GatewayError:
    """The same for an error within an answer, which has no status."""
    if not state.continues or not isinstance(error, InvalidRequest | NotFound | UpstreamFailed):
        return error
    if not names_response(error.code, error.message):
        return error
    meant = not_gone_on_from(error.message)
    meant.upstream = error.upstream
    return meant
