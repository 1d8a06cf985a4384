"""The names of keys that are being created for a vault that does not exist yet, in one small file.

Keyrings do not list their items, so a name is written before its key: a killed process then leaves
no unknown key. All functions are called under the vault's lock and may raise `StoreFailed`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from byokd.core.limits import UNSETTLED_KEYS_MAX
from byokd.crypto.encoding import pack, unpack
from byokd.keysource.source import Item, reason_of, source_error
from byokd.protocol.errors import ByokdError
from byokd.store import files
from byokd.store.paths import StorePaths
from byokd.vault.key_wrapping import StoredSlots
from byokd.vault.slots import SlotKeys

_NAME_MAX_BYTES: Final = 128
_PARTS: Final = 3


@dataclass(frozen=True, slots=True)
class _PendingKey:
    item: Item
    kind: str


@contextmanager
def record_pending(places: StorePaths | None, item: Item, kind: str) -> Iterator[None]:
    """Record the key that is about to be created; remove the record if it was not created.

    After a timeout the record stays: the keyring may still store the key.

    Raises:
        VaultUnavailable: `timeout`; too many attempts were never answered.
    """
    if places is None:
        yield
        return
    pending = _read(places)
    if len(pending) >= UNSETTLED_KEYS_MAX:
        raise source_error("timeout")
    _write(places, [*pending, _PendingKey(item, kind)])
    try:
        yield
    except ByokdError as error:
        if reason_of(error) != "timeout":
            remove_pending(places, item)
        raise


def remove_pending(places: StorePaths, item: Item) -> None:
    _write(places, [key for key in _read(places) if key.item != item])


def any_pending(places: StorePaths) -> bool:
    return files.exists(_path(places))


async def clean_up_pending(
    places: StorePaths, slot_keys: SlotKeys, stored: StoredSlots | None
) -> None:
    """Delete the keys of vaults that were never created.

    A key that cannot be deleted now stays recorded, and the others are not tried.
    """
    if not any_pending(places):
        return
    remaining = _read(places)
    while remaining:
        unused = stored is None or stored.store_id != remaining[0].item.store_id
        if unused and not await slot_keys.delete(remaining[0].item, remaining[0].kind):
            break
        remaining = remaining[1:]
    _write(places, remaining)


def _read(places: StorePaths) -> list[_PendingKey]:
    data = files.read_private(_path(places), _NAME_MAX_BYTES * UNSETTLED_KEYS_MAX)
    try:
        parts = unpack(data or b"")
        return [
            _PendingKey(Item(*parts[at : at + 2]), parts[at + 2].decode())
            for at in range(0, len(parts), _PARTS)
        ]
    except (ValueError, IndexError, TypeError):
        return []


def _write(places: StorePaths, keys: Sequence[_PendingKey]) -> None:
    if not keys:
        files.remove(_path(places))
        return
    parts = [part for key in keys for part in (key.item.store_id, key.item.slot_id, key.kind)]
    files.replace_private(_path(places), pack(*parts))


def _path(places: StorePaths) -> Path:
    return places.data / "init.intent"
