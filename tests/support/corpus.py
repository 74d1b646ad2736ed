"""The shared corpus: what clients ask and what models answer, in canonical form.

`CONVERSATIONS` are requests, `ANSWERS` event streams; both by name, built anew at each access.
Formats, providers and the server are all held against the same two collections.
"""

from support.corpus_answers import ANSWERS
from support.corpus_requests import CONVERSATIONS

__all__ = ["ANSWERS", "CONVERSATIONS"]
