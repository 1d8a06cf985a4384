"""A master key in a file that systemd or a container runtime provides.

The file holds 32 random bytes in base64 (`openssl rand -base64 32`) or the line of a byokd key
file. It may be root's and may be a link; no other user may be able to write it.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import os
import stat
from pathlib import Path
from typing import Final

from byokd.keysource.source import KEY_BYTES, decode_key, source_error
from byokd.protocol.vault import KeyFilePlace

_NAME: Final = "byokd-kek"
_MAX_BYTES: Final = 256
_SECRETS: Final = Path("/run/secrets")


async def read_key(place: KeyFilePlace) -> bytes:
    """Raise `VaultUnavailable`: `itemMissing`, `itemCorrupt` or `filePermissions`."""
    data = await asyncio.to_thread(_read, place)
    text = data.decode("ascii", "replace").strip()
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return decode_key(text)
    if len(key) != KEY_BYTES:
        raise source_error("itemCorrupt")
    return key


def _read(place: KeyFilePlace) -> bytes:
    folder = _SECRETS if place == "runSecrets" else _credentials()
    if folder is None:
        raise source_error("itemMissing")
    try:
        with (folder / _NAME).open("rb") as file:
            status = os.fstat(file.fileno())
            if os.name == "posix" and not _trusted(status):
                raise source_error("filePermissions")
            return file.read(_MAX_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        raise source_error("itemMissing") from None
    except OSError:
        raise source_error("filePermissions") from None


def _credentials() -> Path | None:
    folder = Path(os.environ.get("CREDENTIALS_DIRECTORY", ""))
    return folder if folder.is_absolute() else None


def _trusted(status: os.stat_result) -> bool:
    owner_trusted = status.st_uid in {0, os.geteuid()}
    return stat.S_ISREG(status.st_mode) and owner_trusted and not status.st_mode & 0o022
