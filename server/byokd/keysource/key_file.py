"""A master key in a file of its own; used only when chosen by name.

The functions of `store.files`, which check modes and owners, are passed in: the layers below the
vault do not import each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from byokd.keysource.source import Item, decode_key, encode_key, new_key, source_error
from byokd.protocol.errors import StoreFailed
from byokd.protocol.vault import Protection

_MAX_BYTES: Final = 256


class PrivateFiles(Protocol):
    """Functions of `store.files`; each raises `StoreFailed`."""

    @property
    def ensure_private_dir(self) -> Callable[[Path], None]: ...

    @property
    def create_private(self) -> Callable[[Path, bytes], None]: ...

    @property
    def read_private(self) -> Callable[[Path, int], bytes | None]: ...


class KeyFileSource:
    """One file per item in the state folder, so that a copy of the data does not contain it."""

    protection: Protection = "keyFile"
    protects_against = "somebody who gets hold of the database alone, such as a synced data folder"
    does_not_protect_against = (
        "somebody who can read all your files: a backup of the whole home folder, malware, root"
    )

    def __init__(self, folder: Path, files: PrivateFiles) -> None:
        self._folder = folder
        self._files = files

    @property
    def backend(self) -> str:
        return str(self._folder)

    async def check(self) -> None:
        """A folder that cannot be written shows when the file is."""

    async def read(self, item: Item, *, interactive: bool = False) -> bytes:  # noqa: ARG002
        """Raise `itemMissing`, `itemCorrupt` or `filePermissions`."""
        try:
            data = await asyncio.to_thread(self._read, self._path(item))
        except StoreFailed as error:
            raise source_error("filePermissions") from error
        if data is None:
            raise source_error("itemMissing")
        try:
            return decode_key(data.decode("ascii").removesuffix("\n"))
        except UnicodeDecodeError:
            raise source_error("itemCorrupt") from None

    async def create(self, item: Item, *, interactive: bool = False) -> bytes:  # noqa: ARG002
        await asyncio.to_thread(self._write, self._path(item))
        return await self.read(item)

    async def delete(self, item: Item) -> None:
        self._path(item).unlink(missing_ok=True)

    def _write(self, path: Path) -> None:
        self._files.ensure_private_dir(self._folder)
        self._files.create_private(path, f"{encode_key(new_key())}\n".encode())

    def _read(self, path: Path) -> bytes | None:
        data = self._files.read_private(path, _MAX_BYTES)
        if data is not None:  # a missing file creates no folder
            self._files.ensure_private_dir(self._folder)
        return data

    def _path(self, item: Item) -> Path:
        return self._folder / f"{item.slot_id.hex()}.key"
