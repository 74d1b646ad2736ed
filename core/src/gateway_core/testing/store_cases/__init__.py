"""The rules for state stores, by what they are about; `gateway_core.testing.stores` runs them.

The cases are written as tests are, with `assert`; pytest tells what was seen.
"""

from typing import Final

from gateway_core.testing.store_cases import batches, life, presence, responses, runs, usage
from gateway_core.testing.store_cases.case import StoreArea, StoreCase, Stores

__all__ = ["STORE_AREAS", "STORE_CASES", "StoreArea", "StoreCase", "Stores"]

STORE_AREAS: Final[tuple[StoreArea, ...]] = (
    life.AREA,
    presence.AREA,
    responses.AREA,
    runs.AREA,
    batches.AREA,
    usage.AREA,
)
STORE_CASES: Final[tuple[StoreCase, ...]] = tuple(
    case for area in STORE_AREAS for case in area.cases
)
