"""The distribution that a plugin was installed with, found by what its entry point names."""

import re
import sys
from collections.abc import Callable, Set
from functools import cache
from importlib.metadata import EntryPoint, entry_points, packages_distributions

from gateway_core.hookspecs import PROJECT

__all__ = ["entry_point_of", "installed_packages", "is_bounded"]

_CORE = re.compile(r"gateway[-_.]core(?![\w.-])(?:\s*\[[^\]]*\])?(?P<bounds>[^;]*)", re.IGNORECASE)
_UPPER = re.compile(r"<|==|~=")


def entry_point_of(make: Callable[[], object]) -> EntryPoint | None:
    """The installed entry point that leads to this plugin class; None when there is none."""
    module, name = getattr(make, "__module__", ""), getattr(make, "__qualname__", "")
    for entry in entry_points(group=PROJECT):
        if entry.value.replace(" ", "") == f"{module}:{name}":
            return entry
        if entry.module.partition(".")[0] == module.partition(".")[0] and _leads_to(entry, make):
            return entry
    return None


def _leads_to(entry: EntryPoint, make: Callable[[], object]) -> bool:
    try:
        loaded = entry.load()
    except Exception:  # what is wrong with it is another rule's business
        return False
    return loaded is make or type(loaded) is make


def installed_packages() -> Set[str]:
    """The names of top-level packages that came with a distribution."""
    return _packages_on(tuple(sys.path))


@cache  # to look through all distributions takes a tenth of a second
def _packages_on(path: tuple[str, ...]) -> Set[str]:
    return packages_distributions().keys()


def is_bounded(requirements: list[str]) -> bool | None:
    """Whether a distribution's requirements hold gateway-core below some version; None when they
    do not name it.
    """
    bounds = [found["bounds"] for line in requirements if (found := _CORE.match(line.strip()))]
    return any(map(_UPPER.search, bounds)) if bounds else None
