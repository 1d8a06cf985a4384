"""Private files and folders: created, checked, replaced and locked.

Failures raise `StoreFailed` with a reason. Each check refuses what another user could have
prepared: a folder that others can write to, a symbolic link, a second hard link, a file of another
user. On Windows access lists protect the profile folder, so the checks are skipped there.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import secrets
import shutil
import stat
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final, Literal, Never, TypeAlias

from byokd.core.limits import STORE_BUSY_TIMEOUT_MS
from byokd.protocol.actions import Action, EditSettingsAction, FreeSpaceAction
from byokd.protocol.errors import StoreBusy, StoreFailed

Reason: TypeAlias = Literal["full", "io", "readOnly", "permissions", "newer"]

POSIX: Final = os.name == "posix"
_NOFOLLOW: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_NONBLOCK: Final = getattr(os, "O_NONBLOCK", 0)  # opens a pipe without waiting, to refuse it
_BINARY: Final = getattr(os, "O_BINARY", 0)
_FILE_MODE: Final = 0o600
_DIR_MODE: Final = 0o700
_LOCK_POLL_S: Final = 0.02
_COPY_BYTES: Final = 1024 * 1024

_ACTIONS: Final[dict[Reason, Action]] = {
    "full": FreeSpaceAction(),
    "permissions": EditSettingsAction(),
}


def store_error(reason: Reason, message: str) -> StoreFailed:
    return StoreFailed(message, details={"reason": reason}, action=_ACTIONS.get(reason))


def ensure_private_dir(path: Path) -> None:
    """Create the folder with mode 0700, or check the existing one.

    A folder that others can enter is refused, not changed: it may be shared on purpose.
    """
    try:
        path.parent.mkdir(mode=_DIR_MODE, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=_DIR_MODE)
            path.chmod(_DIR_MODE)  # a umask may have removed bits
        status = path.lstat()
    except OSError as error:
        _raise_typed(error, path)
    if not stat.S_ISDIR(status.st_mode):
        raise store_error("permissions", f"{path} is a link or a file, not a folder; move it away")
    if POSIX:
        _require_owner(status, path)
        if status.st_mode & 0o077:
            raise store_error("permissions", f"{path} is open to other users; run chmod 700 on it")


def ensure_private_file(path: Path) -> None:
    """Create an empty file with mode 0600, or check and tighten the existing one."""
    try:
        descriptor = _open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    except FileExistsError:
        check_private_file(path)
        return
    try:
        _tighten(descriptor, path)
    finally:
        os.close(descriptor)


def exists(path: Path) -> bool:
    """Tell whether the name exists, a dangling link included."""
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    except OSError as error:
        _raise_typed(error, path)
    return True


def check_private_file(path: Path) -> None:
    """Check owner, links and kind of an existing file, and tighten its mode to 0600."""
    try:
        status = path.lstat()
    except OSError as error:
        _raise_typed(error, path)
    # A file with the right mode is not opened: closing a file releases all locks that the process
    # holds on it, SQLite's included.
    if stat.S_ISREG(status.st_mode) and (not POSIX or stat.S_IMODE(status.st_mode) == _FILE_MODE):
        _require_ours(status, path)
        return
    descriptor = _open(path, os.O_RDONLY)
    try:
        _tighten(descriptor, path)
    finally:
        os.close(descriptor)


def create_private(path: Path, data: bytes) -> None:
    """Write a file that must not exist, and flush it and its folder entry."""
    try:
        descriptor = _open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    except FileExistsError:
        raise store_error("permissions", f"{path} exists already; move it away") from None
    try:
        _tighten(descriptor, path)
        _write_all(descriptor, data)
    except OSError as error:
        path.unlink(missing_ok=True)
        _raise_typed(error, path)
    except StoreFailed:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    sync_dir(path.parent)


def replace_private(path: Path, data: bytes) -> None:
    scratch = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    create_private(scratch, data)
    try:
        scratch.replace(path)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        _raise_typed(error, path)


def put_in_place(scratch: Path, path: Path) -> None:
    """Rename a finished file over another one, and flush both; nothing changes on failure.

    On Windows it fails while the replaced file is open.
    """
    try:
        descriptor = os.open(scratch, os.O_RDWR | _NOFOLLOW | _BINARY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        scratch.replace(path)
        sync_dir(path.parent)
    except OSError as error:
        _raise_typed(error, path)


def copy_private(path: Path, to: Path) -> None:
    """Copy to a private file that must not exist."""
    ensure_private_file(to)
    try:
        with path.open("rb") as source, to.open("r+b") as target:
            shutil.copyfileobj(source, target, _COPY_BYTES)
            target.flush()
            os.fsync(target.fileno())
        sync_dir(to.parent)
    except OSError as error:
        to.unlink(missing_ok=True)
        _raise_typed(error, path)


def remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        _raise_typed(error, path)


def free_bytes(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def on_read_only_disk(folder: Path) -> bool:
    try:
        return POSIX and bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def read_private(path: Path, max_bytes: int) -> bytes | None:
    """Return the content, at most `max_bytes`; None if there is no such file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | _NOFOLLOW | _NONBLOCK | _BINARY)
    except FileNotFoundError:
        return None
    except OSError as error:
        _raise_typed(error, path)
    try:
        status = os.fstat(descriptor)
        _require_ours(status, path)
        if POSIX and status.st_mode & 0o077:
            raise store_error("permissions", f"{path} is open to other users; run chmod 600 on it")
        return os.read(descriptor, max_bytes)
    finally:
        os.close(descriptor)


@contextlib.asynccontextmanager
async def locked(path: Path, timeout_ms: int = STORE_BUSY_TIMEOUT_MS) -> AsyncIterator[None]:
    """Hold a lock file against other processes and tasks; `StoreBusy` after the timeout."""
    with _opened(path) as descriptor:
        for _ in _tries(descriptor, timeout_ms):
            await asyncio.sleep(_LOCK_POLL_S)
        yield


@contextlib.contextmanager
def locked_blocking(path: Path, timeout_ms: int = STORE_BUSY_TIMEOUT_MS) -> Iterator[None]:
    """Hold a lock file as `locked` does, on a thread that may block."""
    with _opened(path) as descriptor:
        for _ in _tries(descriptor, timeout_ms):
            time.sleep(_LOCK_POLL_S)
        yield


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    ensure_private_file(path)
    descriptor = _open(path, os.O_RDWR)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _tries(descriptor: int, timeout_ms: int) -> Iterator[None]:
    """Yield after each failed attempt until the lock is held; raises `StoreBusy` in the end."""
    give_up_at = time.monotonic() + timeout_ms / 1000
    while not try_lock(descriptor):
        if time.monotonic() >= give_up_at:
            raise StoreBusy("another process holds a lock of the vault; try again in a moment")
        yield


def _open(path: Path, flags: int) -> int:
    try:
        return os.open(path, flags | _NOFOLLOW | _BINARY, _FILE_MODE)
    except FileExistsError:
        raise
    except OSError as error:
        _raise_typed(error, path)


def _tighten(descriptor: int, path: Path) -> None:
    status = os.fstat(descriptor)
    _require_ours(status, path)
    if not POSIX or stat.S_IMODE(status.st_mode) == _FILE_MODE:
        return
    os.fchmod(descriptor, _FILE_MODE)
    if stat.S_IMODE(os.fstat(descriptor).st_mode) != _FILE_MODE:
        # Some network and foreign file systems accept chmod without effect.
        raise store_error(
            "permissions", f"{path} cannot be kept from other users; use another disk"
        )


def _require_ours(status: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise store_error("permissions", f"{path} is not a plain file; move it away")
    if POSIX:
        _require_owner(status, path)
        if status.st_nlink != 1:
            raise store_error(
                "permissions", f"{path} has a second name; copy it and remove the links"
            )


def _require_owner(status: os.stat_result, path: Path) -> None:
    if status.st_uid != os.geteuid():
        raise store_error(
            "permissions", f"{path} belongs to another user; use a folder of your own"
        )


def _write_all(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
    os.fsync(descriptor)


def sync_dir(path: Path) -> None:
    """Flush the entries of a folder to the disk. May raise `OSError`."""
    if POSIX:
        descriptor = os.open(path, os.O_RDONLY | _NOFOLLOW)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def try_lock(descriptor: int, *, shared: bool = False) -> bool:
    """Return whether the open file could be locked. `shared` is for POSIX only."""
    try:
        if POSIX:
            import fcntl

            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        else:
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
    except OSError:
        return False
    return True


def unlock(descriptor: int) -> None:
    if POSIX:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_UN)
    else:
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined, unused-ignore]


def _raise_typed(error: OSError, path: Path) -> Never:
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            raise store_error("full", "the disk is full; free some space and try again") from None
        case errno.EROFS:
            raise store_error(
                "readOnly", f"{path} is on a read-only disk; use another one"
            ) from None
        case errno.ELOOP | errno.EMLINK:
            raise store_error("permissions", f"{path} is a symbolic link; remove it") from None
        case errno.EACCES | errno.EPERM:
            raise store_error("permissions", f"{path} cannot be opened; check who may write to it")
        case _:
            raise store_error("io", f"{path} cannot be read or written; check the disk") from None
