"""Migrates a store that an older byokd wrote, without ever changing that file.

After a kill the next start begins again; the lock keeps other processes out.
"""

from __future__ import annotations

from pathlib import Path

from byokd.store import connection as sqlite
from byokd.store.connection import Connection
from byokd.store.file_lock import FileLock
from byokd.store.files import put_in_place, remove
from byokd.store.journal import journal_of
from byokd.store.schema import Steps


def upgrade(path: Path, steps: Steps, lock: FileLock, busy_timeout_ms: int) -> None:
    """Migrate a copy of the store, verify it, and give it the store's name.

    The old file is kept as `<name>.pre-v<newest>`. On an error nothing changed.
    """
    with lock.exclusive():
        old = sqlite.connect_beside(path, busy_timeout_ms)
        try:
            if sqlite.check(old, steps) == len(steps):
                return
            new = _migrated(old, path.with_name(path.name + ".migrating"), steps, busy_timeout_ms)
            _keep_old(old, path.with_name(f"{path.name}.pre-v{len(steps)}"))
        finally:
            old.close()
        put_in_place(new, path)


def _migrated(old: Connection, scratch: Path, steps: Steps, busy_timeout_ms: int) -> Path:
    journal = journal_of(scratch)
    for left in (journal, scratch):  # in this order: a journal without its file has no effect
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


def _keep_old(old: Connection, target: Path) -> None:
    scratch = target.with_name(target.name + ".new")
    remove(scratch)
    old.copy_to(scratch)
    put_in_place(scratch, target)
