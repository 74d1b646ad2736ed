"""The real client programs in a lab of their own."""

from pathlib import Path

import pytest

from support.client_programs import ClaudeCode, CodexCLI, Lab
from support.installed_clients import claude_code, codex_cli


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path / "lab")


@pytest.fixture
def claude(lab: Lab) -> ClaudeCode:
    return claude_code(lab)


@pytest.fixture
def codex(lab: Lab) -> CodexCLI:
    return codex_cli(lab)
