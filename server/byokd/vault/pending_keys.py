"""The names of keys that are being made for a vault that is not there yet.

Knows one small file beside the store. Must not know how a vault is made. Keyrings do not list what
they hold: a process that is killed after it put a key there and before the store was written would
leave it for good, had its name not been written down first. A keyring that answered too late may
have kept the key as well, so a name outlives the try, and there can be several. Everything here is
done by whoever holds the vault's lock.
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
    """A key that may be somewhere, and the kind of place."""

    item: Item
    kind: str


@contextmanager
def record_pending(places: StorePaths | None, item: Item, kind: str) -> Iterator[None]:
    """Write down which key is about to be made, and strike it out where it was not made.

    A keyring that answers too late may still keep the key: its name stays. Without `places` the
    key ends with the process, and nothing is written.

    Raises:
        VaultUnavailable: `timeout`; so many tries were never answered that no more is begun.
        StoreFailed: the disk refuses.
    """
    if places is None:
        yield
        return
    before = _read(places)
    if len(before) >= UNSETTLED_KEYS_MAX:
        raise source_error("timeout")
    _write(places, [*before, _PendingKey(item, kind)])
    try:
        yield
    except ByokdError as error:
        if reason_of(error) != "timeout":
            remove_pending(places, item)
        raise


def remove_pending(places: StorePaths, item: Item) -> None:
    """Strike a name out: the store is written, or the key was not made. May raise `StoreFailed`."""
    _write(places, [name for name in _read(places) if name.item != item])


def any_pending(places: StorePaths) -> bool:
    """Tell whether somebody did not come to an end. May raise `StoreFailed`."""
    return files.exists(_path(places))


async def clean_up_pending(
    places: StorePaths, slot_keys: SlotKeys, stored: StoredSlots | None
) -> None:
    """Remove keys that were made for a vault which never came to be.

    Where that is not possible now the names stay, for the next time; a place that does not answer
    for one key is not asked for the others. May raise `StoreFailed`.
    """
    if not any_pending(places):
        return
    left = _read(places)
    while left:
        unused = stored is None or stored.store_id != left[0].item.store_id
        if unused and not await slot_keys.delete(left[0].item, left[0].kind):
            break
        left = left[1:]
    _write(places, left)


def _read(places: StorePaths) -> list[_PendingKey]:
    """Return what is written down; nothing where the file was cut by a crash, before any key."""
    data = files.read_private(_path(places), _NAME_MAX_BYTES * UNSETTLED_KEYS_MAX)
    try:
        parts = unpack(data or b"")
        return [
            _PendingKey(Item(*parts[at : at + 2]), parts[at + 2].decode())
            for at in range(0, len(parts), _PARTS)
        ]
    except (ValueError, IndexError, TypeError):
        return []


def _write(places: StorePaths, names: Sequence[_PendingKey]) -> None:
    if not names:
        files.remove(_path(places))
        return
    parts = [part for name in names for part in (name.item.store_id, name.item.slot_id, name.kind)]
    files.replace_private(_path(places), pack(*parts))


def _path(places: StorePaths) -> Path:
    return places.data / "init.intent"
