"""Responses that are made in the background, while their clients come and go.

`responses` is their life: the queue, the store, cancelling, and what dead processes leave. `run` is
the making of one, `live_events` what its readers are told meanwhile. `endpoints` is their HTTP
side, which also streams any other stored response.
"""

from gateway_core.background.endpoints import Background
from gateway_core.background.responses import BackgroundResponses

__all__ = ["Background", "BackgroundResponses"]
