"""Accounts as a whole: which there are, and making one unreadable at once.

Knows that an account is its data keys and what is sealed under them. Must not know what a key entry
holds.
"""

from __future__ import annotations

from dataclasses import dataclass

from byokd.protocol.errors import NotFound
from byokd.store.transaction import KeyFacts, VaultTx
from byokd.vault.keys import facts_after_deletion


@dataclass(frozen=True, slots=True)
class Account:
    """An account: its name, how many keys it holds, and when its first key came."""

    name: str
    keys: int
    created_at: int


def list_accounts(tx: VaultTx) -> tuple[Account, ...]:
    """Return every account that has a data key or a key entry, by name."""
    rows = tx.sql.all(
        "SELECT name, sum(held) AS keys, min(created_at) AS created_at FROM"
        " (SELECT account_id AS name, 0 AS held, created_at FROM account_dek"
        " UNION ALL SELECT account_id, 1, created_at FROM key_entry) GROUP BY name ORDER BY name"
    )
    return tuple(
        Account(row.text("name"), row.number("keys"), row.number("created_at")) for row in rows
    )


def erase(tx: VaultTx, account: str) -> tuple[KeyFacts, ...]:
    """Overwrite an account's entries and its data keys; an audit entry is owed for each entry.

    Without the data keys nothing that was sealed under them opens again, whatever copy of an entry
    is left. An entry that was changed from outside goes like any other.

    Returns:
        What the audit trail must say of each key.

    Raises:
        NotFound: there is no such account.
    """
    found = tx.sql.all(
        "SELECT * FROM key_entry WHERE account_id = ? ORDER BY created_at, rowid", account
    )
    gone = tuple(facts_after_deletion(tx, row) for row in found)
    tx.sql.run("DELETE FROM key_entry WHERE account_id = ?", account)
    data_keys = tx.sql.run("DELETE FROM account_dek WHERE account_id = ?", account)
    if not (gone or data_keys):
        raise NotFound("there is no such account; account/list names them all")
    tx.data_keys.clear()
    tx.changed = True
    tx.unrecorded_keys.update({facts.key_id: facts for facts in gone})
    return gone
