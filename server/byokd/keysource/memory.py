"""A master key that exists only in this process."""

from __future__ import annotations

from byokd.keysource.source import Item, new_key, source_error
from byokd.protocol.vault import Protection


class MemorySource:
    protection: Protection = "memory"
    backend = "this process"
    protects_against = "everybody who reads the disk: nothing is written to it"
    does_not_protect_against = "loss: all keys are gone when the daemon ends"

    def __init__(self) -> None:
        self._keys: dict[Item, bytes] = {}

    async def check(self) -> None:
        """Memory is always there."""

    async def read(self, item: Item, *, interactive: bool = False) -> bytes:  # noqa: ARG002
        if item not in self._keys:
            raise source_error("itemMissing")
        return self._keys[item]

    async def create(self, item: Item, *, interactive: bool = False) -> bytes:  # noqa: ARG002
        return self._keys.setdefault(item, new_key())

    async def delete(self, item: Item) -> None:
        self._keys.pop(item, None)
