"""The real client programs; without them these tests are skipped, or fail where they must run."""

import os
from pathlib import Path

import pytest

from support.client_programs import ClaudeCode, CodexCLI, Lab, find_clients

_INSTALL = "run `python tests/clients/install.py` (needs Node) to install it"


def _require(name: str, *candidates: Path) -> Path:
    """The first program that is there."""
    for program in candidates:
        if program.exists() and os.access(program, os.X_OK):
            return program
    reason = f"{name} is not installed: {_INSTALL}"
    if os.environ.get("GATEWAY_REQUIRE_CLIENTS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path / "lab")


@pytest.fixture
def claude(lab: Lab) -> ClaudeCode:
    # npm may refuse the script that links the native program, which works when called directly.
    native = sorted((find_clients() / "@anthropic-ai").glob("claude-code-*/claude"))
    program = _require("Claude Code", *native, find_clients() / ".bin" / "claude")
    return ClaudeCode(program, lab)


@pytest.fixture
def codex(lab: Lab) -> CodexCLI:
    return CodexCLI(_require("Codex CLI", find_clients() / ".bin" / "codex"), lab)
