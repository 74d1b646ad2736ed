"""The client programs that are installed; without them tests are skipped, or fail where they must
run.
"""

import os
from pathlib import Path
from typing import NoReturn

import pytest

from gateway_core.testing.clients import RealClients
from support.client_programs import ClaudeCode, CodexCLI, Lab

__all__ = ["claude_code", "codex_cli"]

_FOLDER = Path(__file__).parents[2] / ".clients"
_INSTALL = "python tests/clients/install.py"


def claude_code(lab: Lab) -> ClaudeCode:
    """Claude Code in a lab."""
    return _clients(lab).claude_code()


def codex_cli(lab: Lab) -> CodexCLI:
    """Codex CLI in a lab."""
    return _clients(lab).codex_cli()


def _clients(lab: Lab) -> RealClients:
    return RealClients(lab, _missing, folder=_FOLDER, install=_INSTALL)


def _missing(reason: str) -> NoReturn:
    if os.environ.get("GATEWAY_REQUIRE_CLIENTS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
