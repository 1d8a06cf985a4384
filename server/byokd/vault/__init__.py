"""The vault: a person's API keys, encrypted in one SQLite file.

A key changes and its audit entry is appended in one `Vault.transaction`; a change without its entry
raises `Internal`, and nothing is committed.
"""

from __future__ import annotations

from byokd.store.connection import DAMAGED
from byokd.store.transaction import KeyFacts, VaultTx, slot_id_to_text
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
    "slot_id_to_text",
    "transfer",
]
