"""The line provider for a gateway in a process of its own; its upstream is in the environment."""

import os

from support.line_http import LineHttpProvider

__all__ = ["LinesProvider"]


class LinesProvider(LineHttpProvider):
    """Asks the server at `$LINES_URL`."""

    def __init__(self) -> None:
        super().__init__(os.environ["LINES_URL"])
