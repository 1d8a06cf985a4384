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

from byokd.keepers.tx import KeyFacts, VaultTx
from byokd.keepers.vault import accounts, keys, moved, rekey
from byokd.keepers.vault.backups import Backups
from byokd.keepers.vault.lifecycle import Vault
from byokd.keepers.vault.rows import KeyRow, Listing, NewKey, OpenedKey
from byokd.keepers.vault.slots import Given, sources_of
from byokd.keepers.vault.standing import id_to_bytes as slot_id_to_bytes
from byokd.store.connection import DAMAGED

__all__ = [
    "DAMAGED",
    "Backups",
    "Given",
    "KeyFacts",
    "KeyRow",
    "Listing",
    "NewKey",
    "OpenedKey",
    "Vault",
    "VaultTx",
    "accounts",
    "keys",
    "moved",
    "rekey",
    "slot_id_to_bytes",
    "sources_of",
]
