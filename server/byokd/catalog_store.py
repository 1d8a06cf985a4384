"""The refreshed catalog files on disk: the last two, and a record of what happened.

Everything here may block on the disk. The record names the files by their SHA-256 and is replaced
at once, so a process that ends in between leaves the old data in use.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from byokd.catalog.layers import CatalogData, bundled, bundled_stamp
from byokd.catalog.shipped import shipped
from byokd.catalog.signed_file import read_verified
from byokd.catalog.state import CatalogState, read_state
from byokd.core.limits import CATALOG_MAX_BYTES, CATALOG_STATE_MAX_BYTES
from byokd.crypto.signature import VerifyingKey
from byokd.protocol.catalog import CatalogVersion
from byokd.protocol.errors import ByokdError, Conflict
from byokd.store import files
from byokd.store.paths import StorePaths

_SUFFIX: Final = ".catalog"
_AGAIN: Final = "byokd catalog refresh fetches it again"


@dataclass(frozen=True, slots=True)
class StoredCatalog:
    """What is on disk, and the data to use.

    Attributes:
        data: that of the newest file, or the package's if that is newer or the file is not usable.
        fault: why the files are not used although they should be; they must be put aside.
        unchecked: the file's data, if it must be checked with the package's records first.
    """

    state: CatalogState
    data: CatalogData
    fault: str | None = None
    unchecked: CatalogData | None = None


class CatalogStore:
    """`key` is the public key that the person pinned; without one no file is used."""

    def __init__(self, paths: StorePaths, key: VerifyingKey | None) -> None:
        self._data_folder = paths.data
        self._folder = paths.data / "catalog"
        self._state = self._folder / "state.json"
        self.key = key

    def version(self) -> tuple[int, int, int] | None:
        """Return what differs after each change of the record; None where there is none."""
        try:
            status = self._state.lstat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino, status.st_size

    def read(self) -> StoredCatalog:
        """Return what is on disk. Never raises: what cannot be used is a fault."""
        if self.version() is None:
            return StoredCatalog(CatalogState(), bundled())
        try:
            raw = files.read_private(self._state, CATALOG_STATE_MAX_BYTES + 1)
        except ByokdError as error:
            return StoredCatalog(CatalogState(), bundled(), error.user_message)
        state = read_state(raw) if raw and len(raw) <= CATALOG_STATE_MAX_BYTES else None
        if state is None:
            fault = (
                f"{self._state} was changed or damaged, so the bundled catalog is used; {_AGAIN}"
            )
            return StoredCatalog(CatalogState(), bundled(), fault)
        if state.current is None or self.key is None:
            return StoredCatalog(state, bundled())
        return self._with_file(state, state.current)

    def load(self, version: CatalogVersion) -> CatalogData:
        """Return the verified data of a file.

        Raises:
            Conflict: it is missing, was changed, or is signed with another key.
            StoreFailed: it cannot be read.
        """
        raw = files.read_private(self._file(version.sha256), CATALOG_MAX_BYTES + 1)
        if raw is None or sha256(raw).hexdigest() != version.sha256 or self.key is None:
            raise Conflict(
                "the file is missing or was changed on disk", details={"reason": "damaged"}
            )
        return read_verified(raw, self.key)

    def locked(self) -> AbstractAsyncContextManager[None]:
        """Keep other processes from changing the files."""
        files.ensure_private_dir(self._data_folder)
        files.ensure_private_dir(self._folder)
        return files.locked(self._folder / "catalog.lock")

    def write(self, state: CatalogState, raw: bytes | None = None) -> None:
        """Write a new file, if any, then the record that names it. Hold the lock."""
        if raw is not None:
            path = self._file(sha256(raw).hexdigest())
            files.replace_private(path, raw)
        files.replace_private(self._state, state.model_dump_json().encode())

    def restore(self, state: CatalogState) -> None:
        """Write the record as it was, after a change that failed. Hold the lock."""
        with suppress(ByokdError):  # the failure itself is what the client learns
            self.write(state)
            self.remove_unused(state)

    def remove_unused(self, state: CatalogState) -> None:
        """Delete the files that the record no longer names. Hold the lock."""
        named = {self._file(each.sha256) for each in (state.current, state.previous) if each}
        for path in self._folder.glob(f"*{_SUFFIX}"):
            if path not in named:
                files.remove(path)

    def put_aside(self, state: CatalogState) -> None:
        """Keep the files and the record as `….bad`, and write this record. Hold the lock."""
        for path in self._folder.glob(f"*{_SUFFIX}"):
            _set_aside(path)
        try:  # a reader, which holds no lock, finds the old record or the new one
            _bad(self._state).unlink(missing_ok=True)
            _bad(self._state).hardlink_to(self._state)
        except OSError:
            _set_aside(self._state)
        self.write(state)

    def _file(self, digest: str) -> Path:
        return self._folder / (digest + _SUFFIX)

    def _with_file(self, state: CatalogState, current: CatalogVersion) -> StoredCatalog:
        try:
            data = self.load(current)
            if data.date <= bundled().date:
                return StoredCatalog(state, bundled())
            if bundled_stamp() not in state.stamps:
                return StoredCatalog(state, bundled(), unchecked=data)
            shipped(data)  # parsed now, so that a fault shows here
        except (ByokdError, ValueError, KeyError, TypeError) as error:
            if isinstance(error, Conflict) and _reason(error) == "otherKey":
                return StoredCatalog(state, bundled())
            return StoredCatalog(
                state,
                bundled(),
                f"the refreshed catalog of {current.date} was changed or damaged on disk, so the"
                f" bundled one is used; {_AGAIN}",
            )
        return StoredCatalog(state, data)


def _bad(path: Path) -> Path:
    return path.with_name(path.name + ".bad")


def _set_aside(path: Path) -> None:
    with suppress(OSError):
        path.replace(_bad(path))


def _reason(error: ByokdError) -> object:
    details = error.fields.get("details")
    return details.get("reason") if isinstance(details, dict) else None
