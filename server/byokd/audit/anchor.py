"""Where the chain ended, kept apart from the store: in the OS keyring, or in a file of its own.

Knows the form of a mark, where marks are kept, and which of several counts. Must not know entries.

A chain whose tail was cut off looks whole. The store remembers its own end, but a whole older copy
of the store remembers an older end; only something that was not copied back with it can tell. The
anchor is written after commits, so it may lag behind the store and never runs ahead of it.
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
    """Two short texts beside the master key, written in turns: a write that breaks costs one."""

    async def read(self, store_id: bytes) -> Pair:
        """Return both; raises the key source's reasons."""
        ...

    async def write(
        self,
        store_id: bytes,
        choose: Callable[[Pair], tuple[int, str] | None],
        hold: Callable[[], AbstractContextManager[None]],
    ) -> None:
        """Under `hold()`, show both to `choose` and write what it returns over the one it names."""
        ...


@dataclass(frozen=True, slots=True)
class Anchor:
    """The last entry that is known to have been committed."""

    epoch: int
    seq: int
    m: bytes

    @property
    def position(self) -> tuple[int, int]:
        """What orders marks."""
        return self.epoch, self.seq


@dataclass(frozen=True, slots=True)
class StoredAnchors:
    """What was found in the places of marks."""

    texts: tuple[str | None, ...] = ()
    unreachable: bool = False

    def newest(self, keys: RootKeys) -> Anchor | AnchorProblem:
        """Return the newest mark, or why there is none."""
        found = newest(keys, self.texts)
        return "unreachable" if self.unreachable and found == "none" else found


class AnchorStorage:
    """Where the marks of a vault are.

    Args:
        state: the folder of the file and of the lock, apart from the store.
        ring: the pair in the OS keyring, for vaults whose master key is there.
    """

    def __init__(self, state: Path, ring: KeyringAnchors | None) -> None:
        self._state = state
        self._ring = ring

    async def fetch(self, store_id: bytes, *, ring: bool) -> StoredAnchors:
        """Return what is kept for a store, not yet looked at; no key is needed for that.

        Args:
            store_id: which store.
            ring: whether the OS keyring is one of the places of the master key.
        """
        texts: list[str | None] = []
        try:
            texts.append(await asyncio.to_thread(_file_text, self._state, store_id))
        except VaultError:
            texts.append("")  # others can read it or could have written it: it is no mark
        if ring and self._ring is not None:
            try:
                texts += await self._ring.read(store_id)
            except VaultError:
                return StoredAnchors(tuple(texts), unreachable=True)
        return StoredAnchors(tuple(texts), unreachable=False)

    async def write(
        self, keys: RootKeys, mark: Anchor, *, ring: bool, anyway: bool = False
    ) -> None:
        """Keep a mark, unless a later one is there; the evidence of damage stays as it is.

        Args:
            keys: of the store.
            mark: an entry that was committed.
            ring: as in `read`.
            anyway: put it over whatever there is, because the person accepted an older store.

        Raises:
            VaultError: the keyring or the disk refuses; the mark before stays, which is safe.
        """
        text = to_text(keys, mark)
        if ring and self._ring is not None:
            for _ in range(2 if anyway else 1):
                await self._ring.write(
                    keys.store_id,
                    lambda pair: _choose_slot(keys, pair, mark, anyway=anyway),
                    lambda: _locked(self._state),
                )
            if not anyway or _file_text(self._state, keys.store_id) is None:
                return
        await asyncio.to_thread(self._write_file, keys, mark, text, anyway=anyway)

    def _write_file(self, keys: RootKeys, mark: Anchor, text: str, *, anyway: bool) -> None:
        with _locked(self._state):
            kept = newest(keys, [_file_text(self._state, keys.store_id)])
            if (
                anyway
                or kept == "none"
                or (isinstance(kept, Anchor) and kept.position < mark.position)
            ):
                files.replace_private(_path(self._state, keys.store_id), text.encode())


def newest(keys: RootKeys, texts: Iterable[str | None]) -> Anchor | Literal["none", "changed"]:
    """Return the latest authentic mark of this store among some texts.

    One that is cut or forged beside a good one is passed over: keyrings replace an item by deleting
    and adding it, and a crash in between leaves half.
    """
    there = [text for text in texts if text is not None]
    marks = [mark for text in there if (mark := from_text(keys, text)) is not None]
    if marks:
        return max(marks, key=lambda mark: mark.position)
    return "changed" if there else "none"


def to_text(keys: RootKeys, mark: Anchor) -> str:
    """Return a mark as one line of ASCII, authenticated."""
    values = (keys.store_id, mark.epoch, mark.seq, mark.m)
    return base64.b64encode(pack(*values, mac(keys.anchor_key, "anchor", *values))).decode()


def from_text(keys: RootKeys, text: str) -> Anchor | None:
    """Return the mark in a text; None where it is not one that was made for this store."""
    try:
        parts = unpack(base64.b64decode(text, validate=True))
    except (ValueError, binascii.Error):
        return None
    if len(parts) != _PARTS or parts[0] != keys.store_id:
        return None
    if not same(mac(keys.anchor_key, "anchor", *parts[:-1]), parts[-1]):
        return None
    return Anchor(int.from_bytes(parts[1], "big"), int.from_bytes(parts[2], "big"), parts[3])


def _choose_slot(
    keys: RootKeys, pair: Pair, mark: Anchor, *, anyway: bool
) -> tuple[int, str] | None:
    """Return which of the pair to write, and what: never the one that counts now."""
    text = to_text(keys, mark)
    if anyway:
        return next(((turn, text) for turn, old in enumerate(pair) if old != text), None)
    kept = newest(keys, pair)
    if kept == "changed" or (isinstance(kept, Anchor) and kept.position >= mark.position):
        return None
    ages = [from_text(keys, old) if old is not None else None for old in pair]
    orders = [(-1, -1) if age is None else age.position for age in ages]
    return orders.index(min(orders)), text


def _file_text(state: Path, store_id: bytes) -> str | None:
    data = files.read_private(_path(state, store_id), _MAX_BYTES)
    return None if data is None else data.decode("ascii", "replace")


def _path(state: Path, store_id: bytes) -> Path:
    return state / f"anchor-{store_id.hex()}"


@contextlib.contextmanager
def _locked(state: Path) -> Iterator[None]:
    """Keep other processes from writing a mark; the folder is not there yet for every vault."""
    files.ensure_private_dir(state)
    with files.locked_blocking(state / "anchor.lock"):
        yield
