"""A gateway process that wants one fresh credential: run as a script by the tests.

Arguments: the folder of the store, the token endpoint. It says `ready`, waits for a line, says
`read` whenever it has read the store, gets a fresh credential, prints its access token and drops
dead without any clean-up.
"""

import asyncio
import os
import ssl
import sys
from pathlib import Path

import httpx

from gateway_core.credentials.file_store import FileStore
from gateway_core.credentials.manager import CredentialManager
from gateway_core.credentials.oauth import refresh_token, renewed
from gateway_core.credentials.store import Credential, CredentialKey


class TalkingStore(FileStore):
    """Says when it has been read."""

    def get(self, key: CredentialKey) -> Credential | None:
        """What the file holds."""
        credential = super().get(key)
        print("read", flush=True)
        return credential


async def main(home: Path, token_url: str) -> str:
    """The access token that this process would use."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # to read the system's certificates takes a while
    async with httpx.AsyncClient(trust_env=False, verify=tls) as http:

        async def refresh(credential: Credential) -> Credential:
            assert credential.refresh_token is not None
            tokens = await refresh_token(
                http, token_url, refresh_token=credential.refresh_token, client_id="app_test"
            )
            return renewed(credential, tokens)

        manager = CredentialManager(TalkingStore(home / "credentials"), refresh, home / "locks")
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        credential = await manager.fresh("codex")
        print(credential.access_token.get_secret_value(), flush=True)
        os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
