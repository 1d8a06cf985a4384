"""Lists accounts and erases one."""

from __future__ import annotations

from dataclasses import dataclass

from byokd.protocol.errors import NotFound
from byokd.store.transaction import KeyFacts, VaultTx
from byokd.vault.keys import facts_after_deletion


@dataclass(frozen=True, slots=True)
class Account:
    name: str
    keys: int
    created_at: int


def list_accounts(tx: VaultTx) -> tuple[Account, ...]:
    rows = tx.sql.all(
        "SELECT name, sum(is_key) AS keys, min(created_at) AS created_at FROM"
        " (SELECT account_id AS name, 0 AS is_key, created_at FROM account_dek"
        " UNION ALL SELECT account_id, 1, created_at FROM key_entry) GROUP BY name ORDER BY name"
    )
    return tuple(
        Account(row.text("name"), row.number("keys"), row.number("created_at")) for row in rows
    )


def erase(tx: VaultTx, account: str) -> tuple[KeyFacts, ...]:
    """Delete an account's entries, valid or not, and its data keys; return the facts to record.

    Copies of the entries cannot be opened without the data keys.

    Raises:
        NotFound: there is no such account.
    """
    rows = tx.sql.all(
        "SELECT * FROM key_entry WHERE account_id = ? ORDER BY created_at, rowid", account
    )
    deleted = tuple(facts_after_deletion(tx, row) for row in rows)
    tx.sql.run("DELETE FROM key_entry WHERE account_id = ?", account)
    data_keys = tx.sql.run("DELETE FROM account_dek WHERE account_id = ?", account)
    if not (deleted or data_keys):
        raise NotFound("there is no such account; see account/list")
    tx.data_keys.clear()
    tx.changed = True
    tx.unrecorded_keys.update({facts.key_id: facts for facts in deleted})
    tx.unrecorded_defaults.update({(account, facts.provider): None for facts in deleted})
    return deleted
