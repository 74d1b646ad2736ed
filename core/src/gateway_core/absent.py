"""Paths of the vendors' platforms that the gateway does not have, and what to do instead of each.

A client that asks one is told so in its own dialect, instead of being left with the path.
"""

from typing import Final

__all__ = ["advice_for"]

_FILES: Final = (
    "it keeps no files: send them inline as base64, in `image_url` or `file_data` with a data URL "
    "(OpenAI), or in a `source` of the type `base64` (Anthropic)"
)
_SEARCH: Final = "it keeps no documents to search: send them in the request, or offer a tool"
_TALK: Final = (
    "use POST /v1/responses with `store: true`, and `previous_response_id` to go on from an answer"
)
_ADVICE: Final = {
    "/v1/files": _FILES,
    "/v1/uploads": _FILES,
    "/v1/batches": "its batches are those of POST /v1/messages/batches, for every provider; or "
    "send a request each, with `background: true` at /v1/responses if it may take long",
    "/v1/conversations": _TALK,
    "/v1/assistants": _TALK,
    "/v1/threads": _TALK,
    "/v1/vector_stores": _SEARCH,
    "/v1/embeddings": "none of its providers embeds texts",
    "/v1/containers": "it runs no code: offer a tool of your own",
    "/v1/skills": "it keeps no skills: send their text in the request",
    "/v1/completions": "use POST /v1/chat/completions or /v1/responses",
    "/v1/complete": "use POST /v1/messages",
    "/v1/images/variations": "use POST /v1/images/edits with a `prompt`",
}


def advice_for(path: str) -> str | None:
    """What to do instead of asking this path; None for one that nobody has."""
    while path.startswith("/v1/"):
        if path in _ADVICE:
            return _ADVICE[path]
        path = path.rpartition("/")[0]
    return None
