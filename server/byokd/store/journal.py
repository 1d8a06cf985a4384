"""Looks for a rollback journal that byokd cannot have written.

SQLite rolls back a journal that it finds beside a store. If the journal names a super-journal, it
then deletes the file of that name, whatever file it is. SQLite writes such a name only for a
transaction on several attached files, and byokd attaches none.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from byokd.protocol.errors import VaultCorrupt
from byokd.store.files import Reason, store_error

_MAGIC: Final = bytes.fromhex("d9d505f920a163d7")
_NUMBER_BYTES: Final = 4
_TAIL_BYTES: Final = 2 * _NUMBER_BYTES + len(_MAGIC)
"""The end of a journal with a name: its length, its checksum, the magic number."""

_BAD_DISK: Final[Reason] = "io"


def journal_of(store: Path) -> Path:
    return store.with_name(store.name + "-journal")


def refuse_foreign_journal(store: Path) -> None:
    """Return if the store has no journal or one of its own; the file is only read.

    Raises:
        VaultCorrupt: the journal names a super-journal.
        StoreFailed: the journal cannot be read.
    """
    journal = journal_of(store)
    try:
        if journal.lstat().st_size < _TAIL_BYTES:
            return
        name = _super_journal_name(journal)
    except FileNotFoundError:
        return
    except OSError:
        raise store_error(_BAD_DISK, f"{journal} cannot be read; check its folder") from None
    if name:
        raise VaultCorrupt(
            f"{journal} was not written by byokd and would delete another file; move it away",
            details={"reason": "storeCorrupt"},
        )


def _super_journal_name(journal: Path) -> bytes:
    """Return the name that SQLite would read from the end of the file, or an empty one."""
    with journal.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - _TAIL_BYTES, 0))
        tail = file.read(_TAIL_BYTES)
        length, checksum = (
            int.from_bytes(tail[at : at + _NUMBER_BYTES], "big") for at in (0, _NUMBER_BYTES)
        )
        if tail[2 * _NUMBER_BYTES :] != _MAGIC or not 0 < length <= size - _TAIL_BYTES:
            return b""
        file.seek(size - _TAIL_BYTES - length)
        name = file.read(length)
    # SQLite adds up `char`s, which have a sign on some processors and none on others.
    sums = {sum(name), sum(byte - 256 if byte > 127 else byte for byte in name)}  # noqa: PLR2004
    return name if checksum in {value & 0xFFFFFFFF for value in sums} else b""
