"""The vault: keys go in, and come out only as secrets on their way to a request.

Knows nothing by itself; it is the door to its modules:

    lifecycle   Vault: status, initialize, unlock, lock, transaction, read, changed, aclose
    standing    what is told of the vault: its state, why, and what its slots are worth
    rekey       another way in, one less, a new root key, new data keys
    keys        functions on a transaction: put, rotate, open_key, get, list_keys, delete, …
    accounts    list_accounts, erase
    moved       an entry as one text for another machine, and back
    rows        KeyRow and OpenedKey, and how a row is written, checked and read
    slots       how the key of a slot is had: kept, derived or typed
    backups     Backups: all, keep, restore; it needs no key
    hierarchy   slots, the root key and the accounts' data keys
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
