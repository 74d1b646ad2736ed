"""Canonical conversations: one request for each thing that clients ask.

`CONVERSATIONS` has them by name, built anew at each access. Shapes are those that format readers
build: tool results in user messages, consecutive ones in one message, arguments as raw text.
`features` says what a conversation needs and `obliged` whether a provider must translate it;
`SESSIONS` are agents at work, turn by turn.
"""

from gateway_core.testing.conversations import (
    calls,
    media,
    options,
    reasoning,
    sessions,
    texts,
    tools,
)
from gateway_core.testing.conversations.builders import CONVERSATIONS
from gateway_core.testing.conversations.features import features, obliged
from gateway_core.testing.conversations.sessions import SESSIONS

__all__ = ["CONVERSATIONS", "SESSIONS", "features", "obliged"]

# Each of these modules adds its conversations when it is imported.
_MODULES = (texts, tools, calls, reasoning, media, options, sessions)
