"""The anchor: the last committed entry, stored apart from the store, in the OS keyring or a file.

Only something that was not copied back with the store detects an older copy of it. The anchor is
written after commits: it may lag behind the store and is never ahead of it.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol, TypeAlias

from byokd.crypto.encoding import pack, unpack
from byokd.crypto.kdf import mac, same
from byokd.protocol.errors import VaultError
from byokd.store import files
from byokd.store.transaction import RootKeys

_MAX_BYTES: Final = 1024
_PARTS: Final = 5

Pair: TypeAlias = tuple[str | None, str | None]
AnchorProblem: TypeAlias = Literal["none", "changed", "unreachable"]


class KeyringAnchors(Protocol):
    """Two short texts beside the master key, written in turns: a failed write damages one."""

    async def read(self, store_id: bytes) -> Pair: ...

    async def write(
        self,
        store_id: bytes,
        choose: Callable[[Pair], tuple[int, str] | None],
        lock: Callable[[], AbstractContextManager[None]],
    ) -> None:
        """Under `lock()`, pass both texts to `choose`; write its text at its index."""
        ...


@dataclass(frozen=True, slots=True)
class Anchor:
    epoch: int
    seq: int
    m: bytes

    @property
    def position(self) -> tuple[int, int]:
        return self.epoch, self.seq


@dataclass(frozen=True, slots=True)
class StoredAnchors:
    """Texts stored as anchors, not verified."""

    texts: tuple[str | None, ...] = ()
    unreachable: bool = False

    def newest(self, keys: RootKeys) -> Anchor | AnchorProblem:
        anchor = newest(keys, self.texts)
        return "unreachable" if self.unreachable and anchor == "none" else anchor


class AnchorStorage:
    def __init__(self, state: Path, keyring: KeyringAnchors | None) -> None:
        self._state = state
        self._keyring = keyring

    async def fetch(self, store_id: bytes, *, in_keyring: bool) -> StoredAnchors:
        texts: list[str | None] = []
        try:
            texts.append(await asyncio.to_thread(_file_text, self._state, store_id))
        except VaultError:
            texts.append("")  # other users can read or write the file: not an authentic anchor
        if in_keyring and self._keyring is not None:
            try:
                texts += await self._keyring.read(store_id)
            except VaultError:
                return StoredAnchors(tuple(texts), unreachable=True)
        return StoredAnchors(tuple(texts), unreachable=False)

    async def write(
        self, keys: RootKeys, anchor: Anchor, *, in_keyring: bool, overwrite: bool = False
    ) -> None:
        """Store an anchor unless a later or a damaged one is stored; `overwrite` replaces any.

        Raises:
            VaultError: the keyring or the disk refuses; the previous anchor stays, which is safe.
        """
        if in_keyring and self._keyring is not None:
            for _ in range(2 if overwrite else 1):
                await self._keyring.write(
                    keys.store_id,
                    lambda pair: _choose_index(keys, pair, anchor, overwrite=overwrite),
                    lambda: _locked(self._state),
                )
            if not overwrite or _file_text(self._state, keys.store_id) is None:
                return
        await asyncio.to_thread(self.write_file, keys, anchor, overwrite=overwrite)

    def write_file(self, keys: RootKeys, anchor: Anchor, *, overwrite: bool = False) -> None:
        """Do as `write` for the file, on a thread that may block."""
        text = to_text(keys, anchor)
        with _locked(self._state):
            stored = newest(keys, [_file_text(self._state, keys.store_id)])
            if (
                overwrite
                or stored == "none"
                or (isinstance(stored, Anchor) and stored.position < anchor.position)
            ):
                files.replace_private(_path(self._state, keys.store_id), text.encode())


def newest(keys: RootKeys, texts: Iterable[str | None]) -> Anchor | Literal["none", "changed"]:
    """Return the latest authentic anchor of this store among some texts."""
    present = [text for text in texts if text is not None]
    anchors = [anchor for text in present if (anchor := from_text(keys, text)) is not None]
    # A damaged text beside a good one is ignored: keyrings replace an item by deleting and adding
    # it, and a crash in between leaves half.
    if anchors:
        return max(anchors, key=lambda anchor: anchor.position)
    return "changed" if present else "none"


def to_text(keys: RootKeys, anchor: Anchor) -> str:
    values = (keys.store_id, anchor.epoch, anchor.seq, anchor.m)
    return base64.b64encode(pack(*values, mac(keys.anchor_key, "anchor", *values))).decode()


def from_text(keys: RootKeys, text: str) -> Anchor | None:
    """Return None where the text is not an authentic anchor of this store."""
    try:
        parts = unpack(base64.b64decode(text, validate=True))
    except (ValueError, binascii.Error):
        return None
    if len(parts) != _PARTS or parts[0] != keys.store_id:
        return None
    if not same(mac(keys.anchor_key, "anchor", *parts[:-1]), parts[-1]):
        return None
    return Anchor(int.from_bytes(parts[1], "big"), int.from_bytes(parts[2], "big"), parts[3])


def _choose_index(
    keys: RootKeys, pair: Pair, anchor: Anchor, *, overwrite: bool
) -> tuple[int, str] | None:
    """Return the index to overwrite, never that of the newest anchor, and the text."""
    text = to_text(keys, anchor)
    if overwrite:
        return next(((index, text) for index, old in enumerate(pair) if old != text), None)
    stored = newest(keys, pair)
    if stored == "changed" or (isinstance(stored, Anchor) and stored.position >= anchor.position):
        return None
    anchors = [None if old is None else from_text(keys, old) for old in pair]
    positions = [(-1, -1) if old is None else old.position for old in anchors]
    return positions.index(min(positions)), text


def _file_text(state: Path, store_id: bytes) -> str | None:
    data = files.read_private(_path(state, store_id), _MAX_BYTES)
    return None if data is None else data.decode("ascii", "replace")


def _path(state: Path, store_id: bytes) -> Path:
    return state / f"anchor-{store_id.hex()}"


@contextlib.contextmanager
def _locked(state: Path) -> Iterator[None]:
    files.ensure_private_dir(state)
    with files.locked_blocking(state / "anchor.lock"):
        yield
