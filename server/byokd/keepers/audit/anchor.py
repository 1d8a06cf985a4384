"""Where the chain ended, kept in a file apart from the store.

Knows the file's name and form. Must not know entries.

A chain whose tail was cut off looks whole. The store remembers its own end, but a whole older copy
of the store remembers an older end; only something that was not copied back with it can tell. The
anchor is written after each commit, so it may lag behind the store and never runs ahead of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from byokd.crypto.encoding import pack, unpack
from byokd.crypto.kdf import mac, same
from byokd.keepers.tx import RootKeys
from byokd.protocol.errors import VaultCorrupt
from byokd.store.files import ensure_private_dir, read_private, replace_private

_MAX_BYTES: Final = 1024
_PARTS: Final = 5


@dataclass(frozen=True, slots=True)
class Anchor:
    """The last entry that is known to have been committed."""

    epoch: int
    seq: int
    m: bytes


def write(folder: Path, keys: RootKeys, mark: Anchor) -> None:
    """Keep a mark, unless a later one is there.

    Raises:
        StoreFailed: the disk refuses; the mark before stays, which is safe.
    """
    try:
        kept = read(folder, keys)
    except VaultCorrupt:
        return  # leave the evidence to `verify`
    if kept is not None and (kept.epoch, kept.seq) >= (mark.epoch, mark.seq):
        return
    values = (keys.store_id, mark.epoch, mark.seq, mark.m)
    ensure_private_dir(folder)
    replace_private(_path(folder, keys), pack(*values, mac(keys.anchor, "anchor", *values)))


def read(folder: Path, keys: RootKeys) -> Anchor | None:
    """Return the mark of this store; None where none was kept.

    Raises:
        VaultCorrupt: the file was changed from outside.
        StoreFailed: others can read or could have written it.
    """
    data = read_private(_path(folder, keys), _MAX_BYTES)
    if data is None:
        return None
    try:
        parts = unpack(data)
    except ValueError:
        raise _changed() from None
    if len(parts) != _PARTS or not same(mac(keys.anchor, "anchor", *parts[:-1]), parts[-1]):
        raise _changed()
    return Anchor(int.from_bytes(parts[1], "big"), int.from_bytes(parts[2], "big"), parts[3])


def _path(folder: Path, keys: RootKeys) -> Path:
    return folder / f"anchor-{keys.store_id.hex()}"


def _changed() -> VaultCorrupt:
    return VaultCorrupt("the audit anchor was changed from outside; keep the file and look into it")
