"""Reads, checks and writes rows of `key_entry`.

blob   every field, secret or not, bound to account, provider, key, version and origin
meta   what a list shows: label, base URL, last four characters, fields that are no secret
plain  ids, origin, state and times, under the row's MAC
"""

from __future__ import annotations

import json
from base64 import b32decode, b32encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from byokd.core.secret import Secret
from byokd.crypto.encoding import Element, optional
from byokd.crypto.envelope import EnvelopeError, open_blob, seal
from byokd.crypto.kdf import digest, same
from byokd.protocol.errors import Conflict, VaultCorrupt
from byokd.protocol.key import KeyState
from byokd.store.connection import Row, Sql
from byokd.store.transaction import DELETED, KeyFacts, RootKeys, VaultTx
from byokd.vault.key_wrapping import DataKey, read_data_key

USABLE: Final = frozenset({"active", "suspect"})

_COLUMNS: Final = (
    *("key_id", "account_id", "provider_id", "version", "dek_version", "origin"),
    *("allow_insecure", "is_default", "state", "reason", "fingerprint", "health"),
    *("created_at", "rotated_at", "last_used_at", "disabled_at"),
    *("meta_version", "meta", "blob", "row_gen"),
)
"""What the MAC of a row covers, in its order."""

_ID_PREFIX: Final = "key_"
_STATES: Final[tuple[KeyState, ...]] = ("active", "suspect", "softDisabled", "userDisabled")


@dataclass(frozen=True, slots=True)
class NewKey:
    """A new entry. Fields that are no secret are plain text."""

    provider: str
    origin: str
    fields: Mapping[str, Secret | str] = field(repr=False)
    label: str | None = None
    base_url: str | None = None
    allow_insecure: bool = False
    make_default: bool = False


@dataclass(frozen=True, slots=True)
class Sealed:
    """The ciphertexts of a row, and the versions that they are bound to."""

    dek_version: int
    meta_version: int
    meta: bytes = field(repr=False)
    blob: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyRow:
    """Everything about a key but its secrets. Times are wall-clock milliseconds.

    Attributes:
        fields: the value is None for a secret.
        health: a small JSON object of the health service; cleared by a rotation.
        row_gen: counts the changes of this row, for optimistic updates.
        distrusted: the row differs from the audit log; not a column.
    """

    key_id: str
    account: str
    provider: str
    version: int
    origin: str
    allow_insecure: bool
    is_default: bool
    state: KeyState
    reason: str | None
    fingerprint: str
    health: Mapping[str, int | str]
    created_at: int
    rotated_at: int | None
    last_used_at: int | None
    disabled_at: int | None
    label: str | None
    last4: str | None
    base_url: str | None
    fields: Mapping[str, str | None]
    sealed: Sealed
    row_gen: int
    distrusted: bool = False

    @property
    def usable(self) -> bool:
        return self.state in USABLE and not self.distrusted

    @property
    def facts(self) -> KeyFacts:
        state = "active" if self.state in USABLE else self.state
        return KeyFacts(
            self.account,
            self.key_id,
            self.provider,
            self.version,
            state,
            self.origin,
            self.sealed.meta_version,
            self.is_default,
        )

    @property
    def facts_after_deletion(self) -> KeyFacts:
        return replace(self.facts, state=DELETED)


@dataclass(frozen=True, slots=True)
class OpenedKey:
    """`cache_secret` is the key of the names that the provider's prompt cache gets."""

    row: KeyRow
    fields: Mapping[str, Secret | str]
    cache_secret: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Listing:
    """`broken` are the ids of rows that failed their check."""

    rows: tuple[KeyRow, ...]
    broken: tuple[str, ...]


def key_id_to_text(raw: bytes) -> str:
    """Return the id on the wire: `key_` and 26 characters of base32."""
    return _ID_PREFIX + b32encode(raw).decode().rstrip("=").lower()


def key_id_to_bytes(key_id: str) -> bytes:
    """Return the 16 bytes of an id; empty, which no key has, for a malformed one."""
    encoded = key_id.removeprefix(_ID_PREFIX).upper()
    try:
        return b32decode(encoded + "=" * (-len(encoded) % 8))
    except ValueError:
        return b""


def seal_meta(tx: VaultTx, key: DataKey, row: KeyRow, meta_version: int) -> bytes:
    shown = {
        "label": row.label,
        "last4": row.last4,
        "baseUrl": row.base_url,
        "fields": dict(row.fields),
    }
    plaintext = json.dumps(shown, ensure_ascii=False, sort_keys=True).encode()
    return seal(
        key.key, "key-meta", _meta_context(tx, row.account, row.key_id, meta_version), plaintext
    )


def blob_context(tx: VaultTx, row: KeyRow, dek_version: int) -> tuple[Element, ...]:
    return (
        tx.keys.store_id,
        row.account,
        row.provider,
        key_id_to_bytes(row.key_id),
        row.version,
        row.origin,
        dek_version,
    )


def deleted_facts(account: str, key_id: str, provider: str, version: int, origin: str) -> KeyFacts:
    return KeyFacts(account, key_id, provider, version, DELETED, origin)


def read_row(tx: VaultTx, row: Row) -> KeyRow:
    """Check a row and return it.

    Raises:
        VaultCorrupt: with the key's id; other keys are not affected.
    """
    key_id = key_id_to_text(row.blob("key_id"))
    try:
        authentic = same(_mac(tx.keys, _columns_of(row)), row.blob("row_mac"))
    except VaultCorrupt:  # a value that no column can have
        authentic = False
    if not authentic:
        raise tampered(key_id)
    account, dek_version = row.text("account_id"), row.number("dek_version")
    key = read_data_key(tx, account, version=dek_version)
    if key is None:
        raise tampered(key_id)
    meta_version, meta = row.number("meta_version"), row.blob("meta")
    try:
        shown = json.loads(
            open_blob(key.key, "key-meta", _meta_context(tx, account, key_id, meta_version), meta)
        )
    except EnvelopeError:
        raise tampered(key_id) from None
    state = next(state for state in _STATES if state == row.text("state"))
    return KeyRow(
        key_id=key_id,
        account=account,
        provider=row.text("provider_id"),
        version=row.number("version"),
        origin=row.text("origin"),
        allow_insecure=bool(row.number("allow_insecure")),
        is_default=bool(row.number("is_default")),
        state=state,
        reason=row.maybe_text("reason"),
        fingerprint=row.text("fingerprint"),
        health=json.loads(row.text("health")),
        created_at=row.number("created_at"),
        rotated_at=row.maybe_number("rotated_at"),
        last_used_at=row.maybe_number("last_used_at"),
        disabled_at=row.maybe_number("disabled_at"),
        label=shown["label"],
        last4=shown["last4"],
        base_url=shown["baseUrl"],
        fields=shown["fields"],
        sealed=Sealed(dek_version, meta_version, meta, row.blob("blob")),
        row_gen=row.number("row_gen"),
        distrusted=key_id in tx.distrusted,
    )


def insert_row(tx: VaultTx, row: KeyRow) -> KeyRow:
    columns = _columns(row)
    names = ", ".join([*columns, "row_mac"])
    marks = ", ".join("?" * (len(columns) + 1))
    tx.sql.run(
        f"INSERT INTO key_entry ({names}) VALUES ({marks})",  # noqa: S608  # constant names
        *columns.values(),
        _mac(tx.keys, columns),
    )
    tx.changed = True
    return row


def update_row(tx: VaultTx, row: KeyRow) -> KeyRow:
    """Update a row and return it with its new `row_gen`.

    Raises:
        Conflict: the row changed since it was read.
    """
    after = replace(row, row_gen=row.row_gen + 1)
    columns = _columns(after)
    names = ", ".join(f"{name} = ?" for name in [*columns, "row_mac"])
    changed = tx.sql.run(
        f"UPDATE key_entry SET {names} WHERE key_id = ? AND row_gen = ?",  # noqa: S608  # constant names
        *columns.values(),
        _mac(tx.keys, columns),
        key_id_to_bytes(row.key_id),
        row.row_gen,
    )
    if changed != 1:
        raise Conflict("the key changed meanwhile; look at it again", key_id=row.key_id)
    tx.changed = True
    return after


def renew_row_macs(tx: VaultTx, before: RootKeys) -> None:
    """Recompute row MACs under new root keys; a row that fails its check keeps failing."""
    for row in tx.sql.all("SELECT * FROM key_entry"):
        columns = _columns_of(row)
        if same(_mac(before, columns), row.blob("row_mac")):
            tx.sql.run(
                "UPDATE key_entry SET row_mac = ? WHERE key_id = ?",
                _mac(tx.keys, columns),
                row.blob("key_id"),
            )


def _columns(row: KeyRow) -> dict[str, Sql]:
    values: dict[str, Sql] = {
        "key_id": key_id_to_bytes(row.key_id),
        "account_id": row.account,
        "provider_id": row.provider,
        "version": row.version,
        "dek_version": row.sealed.dek_version,
        "origin": row.origin,
        "allow_insecure": int(row.allow_insecure),
        "is_default": int(row.is_default),
        "state": row.state,
        "reason": row.reason,
        "fingerprint": row.fingerprint,
        "health": json.dumps(dict(row.health), sort_keys=True),
        "created_at": row.created_at,
        "rotated_at": row.rotated_at,
        "last_used_at": row.last_used_at,
        "disabled_at": row.disabled_at,
        "meta_version": row.sealed.meta_version,
        "meta": row.sealed.meta,
        "blob": row.sealed.blob,
        "row_gen": row.row_gen,
    }
    return {name: values[name] for name in _COLUMNS}


def _columns_of(row: Row) -> dict[str, Sql]:
    """Return the values by name, in the order of `_COLUMNS`: a position proves no name."""
    return {name: row.any(name) for name in _COLUMNS}


def _mac(keys: RootKeys, columns: Mapping[str, Sql]) -> bytes:
    """Return the MAC over all columns; a blob enters by its hash, NULL differs from any value."""
    elements = [
        digest(value) if isinstance(value, bytes) else optional(value) for value in columns.values()
    ]
    return keys.row_mac("key_entry", *elements)


def _meta_context(tx: VaultTx, account: str, key_id: str, meta_version: int) -> tuple[Element, ...]:
    return (tx.keys.store_id, account, key_id_to_bytes(key_id), meta_version)


def tampered(key_id: str) -> VaultCorrupt:
    return VaultCorrupt(
        "this key's entry was changed from outside; delete it and store the key again",
        key_id=key_id,
    )
