"""The hook. It wraps the translation of every provider, so the rules hold whichever model is asked.

The request that a wrapper is given is its own: it sets fields anew and leaves what is inside them
alone, because other turns may share it.
"""

import os
from collections.abc import Generator

from gateway_core import Request, UpstreamCall, hookimpl
from gateway_house_rules.rules import Rules, load_rules

__all__ = ["HouseRules"]


class HouseRules:
    """No provider: it only wraps. Rules are read once, from the file GATEWAY_HOUSE_RULES names."""

    def __init__(self, rules: Rules | None = None) -> None:
        self._rules = rules if rules is not None else load_rules(os.environ)

    @hookimpl(wrapper=True)
    def gateway_translate(self, request: Request) -> Generator[None, UpstreamCall, UpstreamCall]:
        """Change the request, let the provider translate it, and tell the user what was done."""
        notices = self._rules.apply(request)
        call = yield
        call.notices += notices
        return call
