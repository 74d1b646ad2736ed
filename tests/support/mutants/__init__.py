"""Faults planted into the demo provider, one by one, with the case of the kit that must see each.

Every module here has a list `MUTANTS`; all of them together are the table that
`test_kit_mutations.py` goes through. To add a fault, add a row to the module of its area, or a
module. `support.mutants.base` says what a row is.
"""

from importlib import import_module
from pkgutil import iter_modules

from support.mutants.base import Mutant

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = [
    mutant
    for module in sorted(
        found.name
        for found in iter_modules(__path__)
        if found.name not in ("base", "changes", "keyed")
    )
    for mutant in import_module(f"{__name__}.{module}").MUTANTS
]
