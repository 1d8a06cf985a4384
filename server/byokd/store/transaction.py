"""One transaction on an unlocked vault, shared by the vault and the audit log.

It knows neither key entries nor audit entries, so that the two packages need not import each other.
"""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, Self

from byokd.crypto.chain import Chain, Link, derive_chain
from byokd.crypto.encoding import Element
from byokd.crypto.kdf import mac, same, subkey
from byokd.protocol.errors import Internal, StoreBusy, VaultCorrupt
from byokd.store.connection import Row
from byokd.store.db import Tx

DELETED: Final = "deleted"
SLOT_PREFIX: Final = "slot_"


@dataclass(frozen=True, slots=True, repr=False)
class RootKeys:
    """The root key of one store and the keys derived from it. Never leaves the process.

    `audit_root`, the parent of the audit keys, is the store's first root key: it stays when the
    root key is renewed, so that older entries can still be verified.
    """

    store_id: bytes
    version: int
    root: bytes
    audit_root: bytes
    row_key: bytes
    anchor_key: bytes

    @classmethod
    def derive(
        cls, store_id: bytes, version: int, root: bytes, audit_root: bytes | None = None
    ) -> Self:
        audit_root = audit_root or root
        row_key = subkey(root, "row-mac")
        anchor_key = subkey(audit_root, "anchor")
        return cls(store_id, version, root, audit_root, row_key, anchor_key)

    def chain(self, epoch: int) -> Chain:
        return derive_chain(self.audit_root, self.store_id, epoch)

    def row_mac(self, table: str, *columns: Element) -> bytes:
        """Return the MAC of a row; blobs are passed as their SHA-256."""
        return mac(self.row_key, "row", table, self.store_id, *columns)


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What the audit log records of a key, and what its row must agree with.

    `state` is `active` for every usable key, also a suspect one, and `deleted` for a deleted one.
    `meta_version` counts changes of the label and of the fields that are no secret; a row may have
    a later one than the log, because renewing the data keys counts, too. Which key is the default
    is recorded per provider.
    """

    account: str
    key_id: str
    provider: str
    version: int
    state: str
    origin: str
    meta_version: int = 0
    is_default: bool = field(default=False, compare=False)

    def agrees_with(self, recorded: KeyFacts | None) -> bool:
        return (
            recorded is not None
            and self.meta_version >= recorded.meta_version
            and replace(self, meta_version=recorded.meta_version) == recorded
        )


@dataclass(frozen=True, slots=True, repr=False)
class Meta:
    """The row of `meta`: the store's identity, its generation, and the end of the audit chain."""

    store_id: bytes
    rk_version: int
    generation: int
    epoch: int
    head_seq: int
    head: Link
    created_at: int
    row_gen: int

    def mac(self, keys: RootKeys) -> bytes:
        return keys.row_mac(
            "meta",
            self.rk_version,
            self.generation,
            self.epoch,
            self.head_seq,
            self.head.h,
            self.head.m,
            self.created_at,
            self.row_gen,
        )


def slot_id_to_text(raw: bytes) -> str:
    """Return a slot's id on the wire: `slot_` and 26 characters of base32."""
    return SLOT_PREFIX + b32encode(raw).decode().rstrip("=").lower()


class StoreChanged(StoreBusy):
    """Another process renewed the root key or replaced the store; open it again."""

    def __init__(self) -> None:
        super().__init__("the vault's keys are being replaced; try again in a moment")


class StoreReplaced(StoreChanged):
    """Another file has the store's name; it must pass the store check again."""


@dataclass(slots=True, repr=False)
class VaultTx:
    """The context of one transaction. Valid only inside the function that receives it."""

    sql: Tx
    keys: RootKeys
    durable: bool  # the store outlives the process
    meta: Meta  # the row of `meta` as it will be written
    meta_valid: bool  # the stored row of `meta` passes its check
    # Changes without an audit entry yet: keys by id; the default key of an account's provider;
    # slots by hex id, added (True) or removed.
    unrecorded_keys: dict[str, KeyFacts] = field(default_factory=dict)
    unrecorded_defaults: dict[tuple[str, str], str | None] = field(default_factory=dict)
    unrecorded_slots: dict[str, bool] = field(default_factory=dict)
    # Functions by name; they may fail without harm.
    after_commit: dict[str, Callable[[], None]] = field(default_factory=dict)
    # Opened data keys by account and version.
    data_keys: dict[tuple[str, int], bytes] = field(default_factory=dict)
    changed: bool = False  # something was written, so the generation is increased
    appended: tuple[int, bool] = (0, False)  # audit entries; whether one needs an anchor at once
    # Rows that differ from the audit log: keys with the recorded facts if any; slots by hex id.
    distrusted: dict[str, KeyFacts | None] = field(default_factory=dict)
    distrusted_slots: set[str] = field(default_factory=set)

    @classmethod
    def begin(
        cls,
        sql: Tx,
        keys: RootKeys,
        *,
        durable: bool,
        distrusted: dict[str, KeyFacts | None] | None = None,
        distrusted_slots: set[str] | None = None,
    ) -> Self:
        """Read `meta` and return the context; a row that fails its check still permits reading.

        Raises:
            VaultCorrupt: the row is missing.
            StoreChanged: these root keys are not, or no longer, those of the store.
        """
        row = sql.one("SELECT * FROM meta")
        if row is None:
            raise VaultCorrupt("the store lost its meta row; restore it from a backup")
        meta = _meta_of(row)
        tx = cls(
            sql,
            keys,
            durable,
            meta,
            meta_valid=same(meta.mac(keys), row.blob("row_mac")),
            distrusted={} if distrusted is None else distrusted,
            distrusted_slots=set() if distrusted_slots is None else distrusted_slots,
        )
        if (meta.store_id, meta.rk_version) != (keys.store_id, keys.version):
            raise StoreChanged
        return tx

    def require_valid_meta(self) -> None:
        if not self.meta_valid:
            raise VaultCorrupt("the store's meta row was changed from outside; restore a backup")

    def finish(self) -> None:
        """Check that every change is recorded, and write `meta` before the commit.

        Raises:
            Internal: a key or a slot changed without an audit entry.
        """
        if self.unrecorded_keys or self.unrecorded_defaults or self.unrecorded_slots:
            raise Internal("a change of a key was not recorded in the audit log; nothing changed")
        if self.changed:
            meta = self.meta
            write_meta(
                self.sql,
                self.keys,
                replace(meta, generation=meta.generation + 1, row_gen=meta.row_gen + 1),
            )


def write_meta(sql: Tx, keys: RootKeys, meta: Meta) -> None:
    sql.run(
        "INSERT OR REPLACE INTO meta (one, store_id, rk_version, generation, epoch, head_seq,"
        " head_h, head_m, created_at, row_gen, row_mac) VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        meta.store_id,
        meta.rk_version,
        meta.generation,
        meta.epoch,
        meta.head_seq,
        meta.head.h,
        meta.head.m,
        meta.created_at,
        meta.row_gen,
        meta.mac(keys),
    )


def _meta_of(row: Row) -> Meta:
    return Meta(
        store_id=row.blob("store_id"),
        rk_version=row.natural("rk_version"),
        generation=row.natural("generation"),
        epoch=row.natural("epoch"),
        head_seq=row.natural("head_seq"),
        head=Link(row.blob("head_h"), row.blob("head_m")),
        created_at=row.natural("created_at"),
        row_gen=row.natural("row_gen"),
    )
