"""The shared corpus: what clients ask and what models answer, in canonical form.

`CONVERSATIONS` are requests, `ANSWERS` event streams; both by name, built anew at each access.
Formats, providers and the server are all held against the same two collections.
"""

from gateway_core.testing.conversations import CONVERSATIONS
from support.corpus_answers import ANSWERS

__all__ = ["ANSWERS", "CONVERSATIONS"]
