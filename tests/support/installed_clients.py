"""The client programs that are installed; without them tests are skipped, or fail where they must
run.
"""

import os
from pathlib import Path

import pytest

from support.client_programs import ClaudeCode, CodexCLI, Lab, find_clients

__all__ = ["claude_code", "codex_cli"]


def claude_code(lab: Lab) -> ClaudeCode:
    """Claude Code in a lab."""
    # npm may refuse the script that links the native program, which works when called directly.
    native = sorted((find_clients() / "@anthropic-ai").glob("claude-code-*/claude"))
    program = _require("Claude Code", *native, find_clients() / ".bin" / "claude")
    return ClaudeCode(program, lab)


def codex_cli(lab: Lab) -> CodexCLI:
    """Codex CLI in a lab."""
    return CodexCLI(_require("Codex CLI", find_clients() / ".bin" / "codex"), lab)


def _require(name: str, *candidates: Path) -> Path:
    """The first program that is there."""
    for program in candidates:
        if program.exists() and os.access(program, os.X_OK):
            return program
    reason = f"{name} is not installed: run `python tests/clients/install.py` (needs Node)"
    if os.environ.get("GATEWAY_REQUIRE_CLIENTS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
