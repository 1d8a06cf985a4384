"""The vault: a person's API keys, encrypted in one SQLite file.

A service changes a key and records the change in one transaction:

    def work(tx: VaultTx) -> KeyRow:
        row = keys.rotate(tx, account, key_id, fields, at=now)
        audit_log.append(tx, account, "key.rotated", actor=client, at=now, key_id=key_id)
        return row

    row = await vault.transaction(work)

Both are committed or neither; a change without its audit entry raises `Internal`.
"""

from __future__ import annotations

from byokd.store.connection import DAMAGED
from byokd.store.transaction import KeyFacts, VaultTx
from byokd.vault import accounts, keys, rekey, transfer
from byokd.vault.backups import Backups
from byokd.vault.rows import KeyRow, Listing, NewKey, OpenedKey
from byokd.vault.slots import SlotSecrets, key_sources
from byokd.vault.status import slot_id_to_bytes as slot_id_to_bytes
from byokd.vault.vault import Vault

__all__ = [
    "DAMAGED",
    "Backups",
    "KeyFacts",
    "KeyRow",
    "Listing",
    "NewKey",
    "OpenedKey",
    "SlotSecrets",
    "Vault",
    "VaultTx",
    "accounts",
    "key_sources",
    "keys",
    "rekey",
    "slot_id_to_bytes",
    "transfer",
]
