"""The name of a key that is being made for a vault that is not there yet.

Knows one small file beside the store. Must not know how a vault is made. Keyrings do not list what
they hold: a process that is killed after it put a key there and before the store was written would
leave it for good, had its name not been written down first. Everything here is done by whoever
holds the vault's lock.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from byokd.crypto.encoding import pack, unpack
from byokd.keepers.vault.hierarchy import Stored
from byokd.keepers.vault.slots import SlotKeys
from byokd.keysource.source import Item, reason_of
from byokd.protocol.errors import ByokdError
from byokd.store import files
from byokd.store.paths import Places

_MAX_BYTES: Final = 256
_PARTS: Final = 3


@contextmanager
def written_down(places: Places | None, item: Item, kind: str) -> Iterator[None]:
    """Write down which key is about to be made, and strike it out where it was not made.

    A keyring that answers too late may still keep the key: its name stays. Without `places` the
    key ends with the process, and nothing is written.

    Raises:
        StoreFailed: the disk refuses.
    """
    if places is None:
        yield
        return
    files.create_private(_path(places), pack(item.store_id, item.slot_id, kind))
    try:
        yield
    except ByokdError as error:
        if reason_of(error) != "timeout":
            clear(places)
        raise


def clear(places: Places) -> None:
    """Forget the name: the store is written, or the key was not made. May raise `StoreFailed`."""
    files.remove(_path(places))


def is_there(places: Places) -> bool:
    """Tell whether somebody did not come to an end. May raise `StoreFailed`."""
    return files.is_there(_path(places))


async def settle(places: Places, slot_keys: SlotKeys, stored: Stored | None) -> None:
    """Remove a key that was made for a vault which never came to be.

    Where that is not possible now the name stays, for the next time. May raise `StoreFailed`.
    """
    data = files.read_private(_path(places), _MAX_BYTES)
    if data is None:
        return
    named = _named(data)
    unused = named is not None and (stored is None or stored.store_id != named[0].store_id)
    if named is None or not unused or await slot_keys.forget(*named):
        clear(places)


def _named(data: bytes) -> tuple[Item, str] | None:
    """Return what a file names; None where it was cut by a crash, before any key was made."""
    try:
        parts = unpack(data)
        return (Item(parts[0], parts[1]), parts[2].decode()) if len(parts) == _PARTS else None
    except ValueError:
        return None


def _path(places: Places) -> Path:
    return places.data / "init.intent"
