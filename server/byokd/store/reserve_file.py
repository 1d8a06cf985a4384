"""A file that reserves disk space, so that a key can be taken out of use on a full disk."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from byokd.core.limits import DISK_LOW_BYTES, RESERVE_FILE_BYTES
from byokd.protocol.errors import StoreFailed
from byokd.store.files import create_private, exists, free_bytes


class ReserveFile:
    def __init__(self, store: Path) -> None:
        self._path = store.with_name(store.name + ".ballast")

    def create(self) -> None:
        """Create the file if it is missing and the disk has enough space; never raises."""
        with contextlib.suppress(StoreFailed, OSError):
            free = free_bytes(self._path.parent)
            if not exists(self._path) and free is not None and free >= DISK_LOW_BYTES:
                # Random, because a compressing file system would reserve no space for zeros.
                create_private(self._path, os.urandom(RESERVE_FILE_BYTES))

    def release(self) -> bool:
        try:
            self._path.unlink()
        except OSError:
            return False
        return True
