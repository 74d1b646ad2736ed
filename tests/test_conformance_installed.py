"""Every provider of this workspace that is installed passes the conformance kit.

The kit runs where `tests/<provider>/test_<provider>_conformance.py` subclasses
`ProviderConformance`; here is that none is forgotten, and that it is about what is installed.
"""

from importlib.metadata import EntryPoint, entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from gateway_core.hookspecs import PROJECT
from gateway_core.testing import CASES, ProviderConformance, load_transcripts
from support.about import each

TESTS = Path(__file__).parent
WORKSPACE = TESTS.parent


def first_party() -> list[EntryPoint]:
    """The plugins whose source is in this workspace."""
    sources = {
        path.name for path in (*WORKSPACE.glob("plugins/*/src/*"), *WORKSPACE.glob("core/src/*"))
    }
    found = entry_points(group=PROJECT)
    return sorted((p for p in found if p.module.split(".")[0] in sources), key=lambda p: p.name)


def conformance_of(name: str) -> tuple[type[ProviderConformance], ModuleType]:
    """The conformance class of a provider, and the module it stands in."""
    path = TESTS / name / f"test_{name}_conformance.py"
    assert path.exists(), f"{path.relative_to(WORKSPACE)} is missing: prove that {name} conforms"
    spec = spec_from_file_location(f"conformance_of_{name}", path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    classes = [
        found
        for found in vars(module).values()
        if isinstance(found, type)
        and issubclass(found, ProviderConformance)
        and found.__module__ == module.__name__
    ]
    assert len(classes) == 1, f"{path.name} must have one subclass of ProviderConformance"
    return classes[0], module


@each("plugin", first_party())
def test_every_installed_provider_is_held_to_the_kit(plugin: EntryPoint) -> None:
    conformance, module = conformance_of(plugin.name)
    assert conformance.__name__.startswith("Test")
    assert conformance.transcripts is not None
    assert load_transcripts(conformance.transcripts)
    assert conformance.waived == {}
    assert plugin.load() in vars(module).values()


def test_the_workspace_has_providers_and_the_kit_has_cases() -> None:
    assert {"codex", "demo"} <= {plugin.name for plugin in first_party()}
    assert {case.id[0] for case in CASES} == set("BCDEGLMPRSTU")
