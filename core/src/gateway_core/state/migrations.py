"""How the file of the built-in store came to be, one step for each version of it."""

from typing import Final

__all__ = ["MIGRATIONS"]

# Each entry takes the file to the version of its place. Entries are never changed, only added.
MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        # The small columns apart from the large ones, which pruning then need not read.
        """CREATE TABLE response (
            id TEXT PRIMARY KEY,
            previous TEXT,
            provider TEXT NOT NULL,
            model TEXT NOT NULL,
            created INTEGER NOT NULL,
            used REAL NOT NULL,
            size INTEGER NOT NULL
        )""",
        """CREATE TABLE response_body (
            id TEXT PRIMARY KEY REFERENCES response (id) ON DELETE CASCADE,
            response BLOB NOT NULL,
            input BLOB NOT NULL
        )""",
        "CREATE INDEX response_by_use ON response (used, size)",
    ),
    (
        """CREATE TABLE usage (
            at REAL NOT NULL,
            format TEXT NOT NULL,
            provider TEXT NOT NULL,
            account TEXT,
            model TEXT NOT NULL,
            status INTEGER NOT NULL,
            error TEXT,
            input INTEGER,
            cache_read INTEGER,
            cache_write INTEGER,
            output INTEGER,
            reasoning INTEGER,
            first_event REAL,
            duration REAL NOT NULL
        )""",
        "CREATE INDEX usage_by_time ON usage (at)",
    ),
)
