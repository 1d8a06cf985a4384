"""Brings a store that an older byokd wrote up to date, without ever changing that file.

Knows the order: copy, migrate the copy, verify it, keep the old file under a name of its own, give
the copy the store's name. Must not know what a step does. A process that is killed on the way
leaves the old store as it was, and the next start begins again; the gate keeps everybody else out.
"""

from __future__ import annotations

from pathlib import Path

from byokd.store import connection as sqlite
from byokd.store.connection import Connection, Steps
from byokd.store.file_lock import FileLock
from byokd.store.files import put_in_place, remove


def upgrade(path: Path, steps: Steps, gate: FileLock, busy_timeout_ms: int) -> None:
    """Bring the store to the newest version; the old file is kept as `<name>.pre-v<newest>`.

    One process does it, the others find it done. The old file's rows are the authority until the
    new file has its name, in one step of the file system.

    Raises:
        sqlite3.Error: as SQLite says; see `connection.translate`.
        StoreFailed, StoreBusy, VaultCorrupt: nothing changed.
        VaultCorrupt: also where the migrated copy is not whole.
    """
    with gate.exclusive():
        old = sqlite.connect_beside(path, busy_timeout_ms)
        try:
            if sqlite.check(old, newest=len(steps)) == len(steps):
                return
            new = _migrated(old, path.with_name(path.name + ".migrating"), steps, busy_timeout_ms)
            _keep(old, path.with_name(f"{path.name}.pre-v{len(steps)}"))
        finally:
            old.close()
        put_in_place(new, path)


def _migrated(old: Connection, scratch: Path, steps: Steps, busy_timeout_ms: int) -> Path:
    journal = scratch.with_name(scratch.name + "-journal")
    for left in (journal, scratch):  # in this order: a journal without its file means nothing
        remove(left)
    old.copy_to(scratch)
    new = sqlite.connect_beside(scratch, busy_timeout_ms)
    try:
        sqlite.apply_pragmas(new)
        sqlite.migrate(new, steps)
        sqlite.verify(new, version=len(steps))
    finally:
        new.close()
    remove(journal)
    return scratch


def _keep(old: Connection, kept: Path) -> None:
    scratch = kept.with_name(kept.name + ".new")
    remove(scratch)
    old.copy_to(scratch)
    put_in_place(scratch, kept)
