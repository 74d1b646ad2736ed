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
    (
        # Whoever removes the row of a run has ended it, and nobody else has.
        """CREATE TABLE response_run (
            id TEXT PRIMARY KEY REFERENCES response (id) ON DELETE CASCADE,
            owner TEXT NOT NULL,
            started INTEGER NOT NULL,
            request BLOB NOT NULL
        )""",
        """CREATE TABLE response_pieces (
            id TEXT PRIMARY KEY REFERENCES response (id) ON DELETE CASCADE,
            pieces BLOB NOT NULL
        )""",
    ),
    (
        """CREATE TABLE batch (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            created REAL NOT NULL,
            expires REAL NOT NULL,
            cancel_initiated REAL,
            ended REAL,
            archived REAL,
            deleted INTEGER NOT NULL DEFAULT 0,
            requests INTEGER NOT NULL,
            succeeded INTEGER NOT NULL DEFAULT 0,
            errored INTEGER NOT NULL DEFAULT 0,
            canceled INTEGER NOT NULL DEFAULT 0,
            expired INTEGER NOT NULL DEFAULT 0,
            size INTEGER NOT NULL
        )""",
        """CREATE TABLE batch_item (
            number INTEGER PRIMARY KEY,
            batch INTEGER NOT NULL REFERENCES batch (number),
            place INTEGER NOT NULL,
            custom_id TEXT NOT NULL,
            model TEXT NOT NULL,
            state TEXT NOT NULL DEFAULT 'waiting',
            tries INTEGER NOT NULL DEFAULT 0,
            owner TEXT
        )""",
        """CREATE TABLE batch_body (
            item INTEGER PRIMARY KEY REFERENCES batch_item (number) ON DELETE CASCADE,
            request BLOB,
            result BLOB
        )""",
        "CREATE INDEX batch_open ON batch (expires) WHERE ended IS NULL",
        "CREATE INDEX batch_item_by_place ON batch_item (batch, place)",
        """CREATE INDEX batch_item_waiting ON batch_item (batch, tries, place, model)
            WHERE state = 'waiting'""",
        "CREATE INDEX batch_item_running ON batch_item (batch, owner) WHERE state = 'running'",
    ),
)
