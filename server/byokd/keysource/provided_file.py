"""A master key in a file that somebody else provides: systemd, or what runs a container.

Knows where such files are put and what may be in them. Must not write, change or remove one.

The file holds 32 random bytes in base64 (`openssl rand -base64 32`), or the line of a key file of
ours. It may belong to root and may be a link, because that is how such files are put there; what
counts is that nobody else could have written it.
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
    """Return the key that was provided.

    Raises:
        VaultUnavailable: `itemMissing`, `itemCorrupt` or `filePermissions`.
    """
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
            found = os.fstat(file.fileno())
            if os.name == "posix" and not _trusted(found):
                raise source_error("filePermissions")
            return file.read(_MAX_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        raise source_error("itemMissing") from None
    except OSError:
        raise source_error("filePermissions") from None


def _credentials() -> Path | None:
    folder = Path(os.environ.get("CREDENTIALS_DIRECTORY", ""))
    return folder if folder.is_absolute() else None


def _trusted(found: os.stat_result) -> bool:
    ours = found.st_uid in {0, os.geteuid()}
    return stat.S_ISREG(found.st_mode) and ours and not found.st_mode & 0o022
