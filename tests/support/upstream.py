"""The scripted HTTP upstream, as the conformance kit offers it."""

from gateway_core.testing.upstream import (
    Answer,
    ReceivedRequest,
    ScriptedUpstream,
    chunks,
    hang_up,
    json_answer,
    reset_after,
    running_upstream,
    truncated,
)

__all__ = [
    "Answer",
    "ReceivedRequest",
    "ScriptedUpstream",
    "chunks",
    "hang_up",
    "json_answer",
    "reset_after",
    "running_upstream",
    "truncated",
]
