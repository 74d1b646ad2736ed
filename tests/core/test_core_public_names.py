"""The public names: a list, loaded lazily, and nothing heavy on import."""

import subprocess
import sys

import gateway_core


def test_every_public_name_can_be_loaded() -> None:
    for name in gateway_core.__all__:
        assert getattr(gateway_core, name) is not None, name


def test_the_list_and_the_homes_of_the_names_agree() -> None:
    offered = {name for name in dir(gateway_core) if not name.startswith("_")}
    assert set(gateway_core.__all__) <= offered


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(gateway_core, "nonsense")


def test_importing_the_package_loads_none_of_its_dependencies() -> None:
    script = (
        "import sys, gateway_core\n"
        "heavy = {'pydantic', 'pydantic_core', 'httpx', 'starlette', 'uvicorn',"
        " 'tiktoken', 'keyring', 'pluggy'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
