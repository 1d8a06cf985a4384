"""One transaction on an unlocked vault: the SQL, the keys it needs, and what it still owes.

Knows the root key's children and the one `meta` row that every change passes through. Must not
know what a key entry or an audit entry is: the keepers share this module and not each other.
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
    """The root key of one store and what is derived from it. Never leaves the process.

    `trail` is the parent of the audit chain and its anchor: the first root key of the store. It
    stays when the root key is replaced, so that entries made before can still be checked; where the
    chain ends is in the one row, under the root key of the day.
    """

    store_id: bytes
    version: int
    root: bytes
    audit_root: bytes
    row_key: bytes
    anchor_key: bytes

    @classmethod
    def derive(cls, store_id: bytes, version: int, root: bytes, trail: bytes | None = None) -> Self:
        """Derive the children; `trail` is the root key itself until that is replaced."""
        trail = trail or root
        rows, anchor = subkey(root, "row-mac"), subkey(trail, "anchor")
        return cls(store_id, version, root, trail, rows, anchor)

    def chain(self, epoch: int) -> Chain:
        """Return the audit chain of an epoch."""
        return derive_chain(self.audit_root, self.store_id, epoch)

    def row_mac(self, table: str, *columns: Element) -> bytes:
        """Return what authenticates a row; blobs come in as their SHA-256."""
        return mac(self.row_key, "row", table, self.store_id, *columns)


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What the audit trail says of a key after a change, and what the tables must agree with.

    `state` is `active` for every usable key, however suspect, and `deleted` for one that is gone.
    """

    account: str
    key_id: str
    provider: str
    version: int
    state: str
    origin: str


@dataclass(frozen=True, slots=True, repr=False)
class Meta:
    """The one row: which store, how many changes, and where the audit chain ends."""

    store_id: bytes
    rk_version: int
    generation: int
    epoch: int
    head_seq: int
    head: Link
    created_at: int
    row_gen: int

    def mac(self, keys: RootKeys) -> bytes:
        """Return what must stand in `row_mac`."""
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
    """Another process replaced the root key or the store; open it again."""

    def __init__(self) -> None:
        super().__init__("the vault's keys are being replaced; try again in a moment")


class StoreReplaced(StoreChanged):
    """Another file has the store's name; whoever has its keys must look at it first."""


@dataclass(slots=True, repr=False)
class VaultTx:
    """What the keepers work on. Use it only inside the function that was given it.

    Attributes:
        sql: the transaction on the store.
        keys: the root key's children.
        durable: whether the store outlives the process.
        meta: the one row as it will be written; keepers replace it.
        trusted: whether the one row is as it was written.
        owed: changes of keys that no audit entry tells of yet, by key id.
        owed_slots: slots that began or ceased to open the store and no entry tells of yet, by id.
        data_keys: accounts' data keys that were opened already, by account and version.
        changed: whether anything was written, so that the generation counts it.
        appended: how many audit entries, and whether one of them needs an anchor at once.
        distrusted: keys of which the audit trail tells other things than their rows do, or that
            have none, and what it tells; None where it tells nothing.
        distrusted_slots: ids of slots whose rows are not what the audit trail tells, in hex.
        after: by name, what to do once the commit is on the disk; it may fail without harm.
    """

    sql: Tx
    keys: RootKeys
    durable: bool
    meta: Meta
    meta_valid: bool
    unrecorded_keys: dict[str, KeyFacts] = field(default_factory=dict)
    unrecorded_slots: dict[str, bool] = field(default_factory=dict)
    after_commit: dict[str, Callable[[], None]] = field(default_factory=dict)
    data_keys: dict[tuple[str, int], bytes] = field(default_factory=dict)
    changed: bool = False
    appended: tuple[int, bool] = (0, False)
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
        """Start work. What only reads goes on even where the one row is not trusted."""
        row = sql.one("SELECT * FROM meta")
        if row is None:
            raise VaultCorrupt("the store lost its first row; restore it from a backup")
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
        """Refuse to change a store whose one row was changed by somebody without the key.

        Raises:
            VaultCorrupt: it was.
        """
        if not self.meta_valid:
            raise VaultCorrupt("the store's first row was changed from outside; restore a backup")

    def finish(self) -> None:
        """Write what is due before the commit.

        Raises:
            Internal: a key or a slot changed and no audit entry was appended. Nothing is committed.
        """
        if self.unrecorded_keys or self.unrecorded_slots:
            raise Internal("a change of a key was not recorded in the audit trail; nothing changed")
        if self.changed:
            meta = self.meta
            write_meta(
                self.sql,
                self.keys,
                replace(meta, generation=meta.generation + 1, row_gen=meta.row_gen + 1),
            )


def write_meta(sql: Tx, keys: RootKeys, meta: Meta) -> None:
    """Write the one row, or write it anew."""
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
        rk_version=row.number("rk_version"),
        generation=row.number("generation"),
        epoch=row.number("epoch"),
        head_seq=row.number("head_seq"),
        head=Link(row.blob("head_h"), row.blob("head_m")),
        created_at=row.number("created_at"),
        row_gen=row.number("row_gen"),
    )
