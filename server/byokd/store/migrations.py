"""The tables, as numbered steps that are never edited once released.

Step n brings a database from `user_version` n-1 to n, in one transaction with the new number.
Every table of the vault has `row_gen` (counts the row's changes) and `row_mac` (authenticates all
columns), so that a row edited by hand is detected when it is read.
"""

from __future__ import annotations

from typing import Final

APPLICATION_ID: Final = 0x62796F6B
"""`byok` in SQLite's header marks a byokd store."""

_VAULT_1: Final = (
    # One row that every change updates: identity, generation and the end of the audit chain.
    """
    CREATE TABLE meta (
        one        INTEGER PRIMARY KEY CHECK (one = 1),
        store_id   BLOB    NOT NULL CHECK (length(store_id) = 16),
        rk_version INTEGER NOT NULL,
        generation INTEGER NOT NULL,
        epoch      INTEGER NOT NULL,
        head_seq   INTEGER NOT NULL,
        head_h     BLOB    NOT NULL,
        head_m     BLOB    NOT NULL,
        created_at INTEGER NOT NULL,
        row_gen    INTEGER NOT NULL,
        row_mac    BLOB    NOT NULL
    ) STRICT
    """,
    # The root key wrapped for one protection; `state` is `pending`, `active` or `retiring`.
    """
    CREATE TABLE key_slot (
        slot_id    BLOB    PRIMARY KEY CHECK (length(slot_id) = 16),
        slot_type  TEXT    NOT NULL,
        kdf_params BLOB    NOT NULL,
        rk_version INTEGER NOT NULL,
        state      TEXT    NOT NULL,
        blob       BLOB,
        created_at INTEGER NOT NULL,
        row_gen    INTEGER NOT NULL,
        row_mac    BLOB    NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE account_dek (
        account_id  TEXT    NOT NULL,
        dek_version INTEGER NOT NULL,
        rk_version  INTEGER NOT NULL,
        blob        BLOB    NOT NULL,
        created_at  INTEGER NOT NULL,
        row_gen     INTEGER NOT NULL,
        row_mac     BLOB    NOT NULL,
        PRIMARY KEY (account_id, dek_version)
    ) STRICT
    """,
    # `meta` seals what a list shows, `blob` seals the fields themselves.
    """
    CREATE TABLE key_entry (
        key_id         BLOB    PRIMARY KEY CHECK (length(key_id) = 16),
        account_id     TEXT    NOT NULL,
        provider_id    TEXT    NOT NULL,
        version        INTEGER NOT NULL,
        dek_version    INTEGER NOT NULL,
        origin         TEXT    NOT NULL,
        allow_insecure INTEGER NOT NULL CHECK (allow_insecure IN (0, 1)),
        is_default     INTEGER NOT NULL CHECK (is_default IN (0, 1)),
        state          TEXT    NOT NULL,
        reason         TEXT,
        fingerprint    TEXT    NOT NULL,
        health         TEXT    NOT NULL,
        created_at     INTEGER NOT NULL,
        rotated_at     INTEGER,
        last_used_at   INTEGER,
        disabled_at    INTEGER,
        meta_version   INTEGER NOT NULL,
        meta           BLOB    NOT NULL,
        blob           BLOB    NOT NULL,
        row_gen        INTEGER NOT NULL,
        row_mac        BLOB    NOT NULL
    ) STRICT
    """,
    "CREATE INDEX key_entry_of ON key_entry (account_id, provider_id, created_at)",
    """
    CREATE UNIQUE INDEX key_entry_default ON key_entry (account_id, provider_id)
    WHERE is_default = 1
    """,
    """
    CREATE TABLE audit (
        seq         INTEGER PRIMARY KEY,
        epoch       INTEGER NOT NULL,
        ts_us       INTEGER NOT NULL,
        event       TEXT    NOT NULL,
        account_ref TEXT    NOT NULL,
        key_ref     TEXT    NOT NULL,
        actor       TEXT    NOT NULL,
        body        BLOB    NOT NULL,
        h           BLOB    NOT NULL,
        m           BLOB    NOT NULL
    ) STRICT
    """,
    "CREATE INDEX audit_of ON audit (account_ref, seq)",
)

VAULT: Final[tuple[tuple[str, ...], ...]] = (_VAULT_1,)
"""The steps of `vault.db`, in order; `user_version` counts them."""

_LISTS_1: Final = (
    # The models that a provider listed for a key (`''` where none is needed); `place` is the
    # SHA-256 of the base URL. A cache: it has no MAC, and no decision depends on it.
    """
    CREATE TABLE model_list (
        account_id  TEXT    NOT NULL,
        provider_id TEXT    NOT NULL,
        key_id      TEXT    NOT NULL,
        place       BLOB    NOT NULL CHECK (length(place) = 32),
        seen_at     INTEGER NOT NULL,
        body        BLOB    NOT NULL,
        PRIMARY KEY (account_id, provider_id, key_id)
    ) STRICT
    """,
)

LISTS: Final[tuple[tuple[str, ...], ...]] = (_LISTS_1,)
"""The steps of `models.db`."""
