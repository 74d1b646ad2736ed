"""Logins of the Codex simulator in the forms that tests need: credentials and Codex CLI's file."""

import base64
import json
import stat
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr

from gateway_core import Credential, JsonObject
from simulators.codex.state import Tokens

__all__ = ["ACCOUNT", "ACCOUNT_ID", "OwnerFile", "credential_of", "owner_document", "unsigned_jwt"]

ACCOUNT_ID = "11111111-2222-3333-4444-555555555555"
"""OpenAI's id of the workspace."""
ACCOUNT = f"{ACCOUNT_ID}/user-abc"
"""What a login of the usual person is kept as; by earlier versions it was `ACCOUNT_ID`."""


class OwnerFile:
    """Codex CLI's `auth.json`, as that program sees it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, document: JsonObject) -> None:
        """Replace what it holds; private, as Codex CLI keeps it."""
        self.path.write_text(json.dumps(document))
        self.path.chmod(0o600)

    def read(self) -> JsonObject | None:
        """What it holds; None when it is gone."""
        if not self.path.exists():
            return None
        document: JsonObject = json.loads(self.path.read_text())
        return document

    @property
    def access_token(self) -> str:
        """The access token in it."""
        document = self.read()
        assert document is not None
        return str(document["tokens"]["access_token"])

    @property
    def mode(self) -> int:
        """Who may read it."""
        return stat.S_IMODE(self.path.stat().st_mode)

    def remove(self) -> None:
        """Log out of Codex CLI."""
        self.path.unlink()


def credential_of(tokens: Tokens, *, shared: OwnerFile | None = None) -> Credential:
    """The stored login for tokens, about to end, and shared with a file if one is named."""
    return Credential(
        provider="codex",
        account=ACCOUNT_ID,
        label="ann",
        access_token=SecretStr(tokens.access),
        refresh_token=SecretStr(tokens.refresh),
        expires_at=datetime.now(UTC),
        extra={"imported_from": str(shared.path)} if shared else {},
        secrets={"id_token": SecretStr(tokens.id)},
    )


def owner_document(tokens: Tokens, **members: object) -> JsonObject:
    """Codex CLI's `auth.json` with these tokens, and a member that nobody here knows."""
    return {
        "auth_mode": "chatgpt",
        "OPENAI_API_KEY": None,
        "tokens": {
            "id_token": tokens.id,
            "access_token": tokens.access,
            "refresh_token": tokens.refresh,
            "account_id": ACCOUNT_ID,
            "later_token": "kept",
        },
        "last_refresh": "2026-05-02T10:00:00.123456Z",
        "agent": {"name": "kept"},
        **members,
    }


def unsigned_jwt(claims: JsonObject) -> str:
    """A token with these claims that nobody signed."""

    def part(value: JsonObject) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none'})}.{part(claims)}."
