"""The interface of the check that a store must pass before it is used."""

from __future__ import annotations

from typing import Protocol

from byokd.store.transaction import VaultTx


class StoreCheck(Protocol):
    async def prepare(self, store_id: bytes, *, in_keyring: bool) -> None:
        """Fetch what `check` needs, outside of a transaction; may ask the OS keyring."""
        ...

    def check(self, tx: VaultTx) -> None:
        """Raise a `VaultError` to refuse the store."""
        ...
