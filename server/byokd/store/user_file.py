"""Reads a file that a person named: anywhere, of any owner."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from byokd.protocol.errors import InvalidParams

# Opens a FIFO or a device without waiting, so that it can be refused.
_FLAGS: Final = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


def read_user_file(text: str, max_bytes: int, *, pointer: str) -> tuple[bytes, bool]:
    """Return the content of a file, and whether other users can read it.

    Args:
        text: its absolute path; a link is followed.
        max_bytes: the largest file that is read.
        pointer: the JSON pointer to the path in the request.

    Raises:
        InvalidParams: `notAbsolute`, `notFound`, `notAFile`, `tooLarge` or `unreadable`.
    """
    if not Path(text).is_absolute() or "\0" in text:
        raise _refused(pointer, "notAbsolute", "name the file by its absolute path")
    try:
        descriptor = os.open(text, _FLAGS)
    except FileNotFoundError:
        raise _refused(pointer, "notFound", "there is no such file") from None
    except OSError:
        raise _refused(pointer, "unreadable", "the file cannot be opened; check it") from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise _refused(pointer, "notAFile", "that is not a plain file; name another")
    with os.fdopen(descriptor, "rb") as file:
        try:
            data = file.read(max_bytes + 1)
        except OSError:
            raise _refused(pointer, "unreadable", "the file cannot be read; check it") from None
    if len(data) > max_bytes:
        raise _refused(pointer, "tooLarge", f"the file is larger than {max_bytes} bytes")
    return data, os.name == "posix" and bool(status.st_mode & 0o077)


def _refused(pointer: str, reason: str, text: str) -> InvalidParams:
    return InvalidParams(text, details=[{"pointer": pointer, "reason": reason}])
