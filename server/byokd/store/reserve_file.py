"""Room that is kept aside, so that a key can be taken out of use on a full disk.

Knows one file beside the store. Must not know what the room is for.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from byokd.core.limits import BALLAST_BYTES, DISK_LOW_BYTES
from byokd.protocol.errors import StoreFailed
from byokd.store.files import create_private, exists, free_bytes


class ReserveFile:
    """The ballast of one store."""

    def __init__(self, store: Path) -> None:
        self._path = store.with_name(store.name + ".ballast")

    def create(self) -> None:
        """Take the room where there is none yet and the disk has plenty; never raises."""
        with contextlib.suppress(StoreFailed, OSError):
            free = free_bytes(self._path.parent)
            if not exists(self._path) and free is not None and free >= DISK_LOW_BYTES:
                # Random, because a file system that compresses would keep no room for zeros.
                create_private(self._path, os.urandom(BALLAST_BYTES))

    def release(self) -> bool:
        """Give the room back; tell whether there was any."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True
