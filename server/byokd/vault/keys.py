"""The operations on keys, each a function on one transaction of the unlocked vault.

`put`, `rotate`, `delete`, `set_label` and `set_state` require an audit entry. A key of another
account is `NotFound`. Each function may raise `VaultCorrupt` with the id of a key whose row was
changed from outside; other keys keep working.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Final

from byokd.core.limits import KEYS_PER_ACCOUNT_MAX, LAST_USED_STEP_MS
from byokd.core.secret import Secret
from byokd.crypto.encoding import pack_pairs, unpack_pairs
from byokd.crypto.envelope import EnvelopeError, open_blob, seal, wipe
from byokd.crypto.kdf import fingerprint
from byokd.protocol.errors import Conflict, NotFound, VaultCorrupt
from byokd.protocol.key import KeyState
from byokd.store.connection import Row
from byokd.store.transaction import DELETED, KeyFacts, VaultTx
from byokd.vault.key_wrapping import (
    ID_BYTES,
    DataKey,
    drop_unused_data_keys,
    ensure_data_key,
    read_data_key,
    renew_data_key,
)
from byokd.vault.rows import (
    USABLE,
    KeyRow,
    Listing,
    NewKey,
    OpenedKey,
    Sealed,
    blob_context,
    deleted_facts,
    insert_row,
    key_id_to_bytes,
    key_id_to_text,
    read_row,
    seal_meta,
    tampered,
    update_row,
)

_PURPOSE: Final = "api-key"
_UNSEALED: Final = Sealed(0, 0, b"", b"")


def put(tx: VaultTx, account: str, new: NewKey, *, at: int) -> KeyRow:
    """Store a new key; it becomes the default if its provider has none, or on request.

    Raises:
        Conflict: the account holds `KEYS_PER_ACCOUNT_MAX` keys.
    """
    count = tx.sql.one("SELECT count(*) AS n FROM key_entry WHERE account_id = ?", account)
    if count is not None and count.number("n") >= KEYS_PER_ACCOUNT_MAX:
        raise Conflict(
            f"the account holds {KEYS_PER_ACCOUNT_MAX} keys; delete one that is not needed"
        )
    key = ensure_data_key(tx, account, at=at)
    current = _default_id(tx, account, new.provider)
    if current is not None and new.make_default:
        _clear_default(tx, account, new.provider)
    row = KeyRow(
        key_id=key_id_to_text(os.urandom(ID_BYTES)),
        account=account,
        provider=new.provider,
        version=1,
        origin=new.origin,
        allow_insecure=new.allow_insecure,
        is_default=current is None or new.make_default,
        state="active",
        reason=None,
        fingerprint="",
        health={},
        created_at=at,
        rotated_at=None,
        last_used_at=None,
        disabled_at=None,
        label=new.label,
        last4=None,
        base_url=new.base_url,
        fields={},
        sealed=_UNSEALED,
        row_gen=1,
    )
    return _require_audit_entry(
        tx, insert_row(tx, _with_fields(tx, key, row, new.fields)), default=row.is_default
    )


def rotate(
    tx: VaultTx,
    account: str,
    key_id: str,
    fields: Mapping[str, Secret | str],
    *,
    at: int,
    label: str | None = None,
) -> KeyRow:
    """Replace a key's fields: a new, active version; None keeps the label."""
    row = get(tx, account, key_id)
    takes_default = not row.is_default and _default_id(tx, account, row.provider) is None
    fresh = replace(
        row,
        version=row.version + 1,
        state="active",
        reason=None,
        health={},
        rotated_at=at,
        disabled_at=None,
        label=label or row.label,
        is_default=row.is_default or takes_default,
    )
    key = ensure_data_key(tx, account, at=at)
    return _require_audit_entry(
        tx,
        update_row(tx, _with_fields(tx, key, fresh, fields)),
        default=takes_default or _default_is_distrusted(row),
    )


def open_key(tx: VaultTx, account: str, key_id: str) -> OpenedKey:
    """Decrypt a key, whatever its state: the caller checks the state."""
    row = get(tx, account, key_id)
    plaintext = open_fields(tx, row)
    values = unpack_pairs(plaintext)
    wipe(plaintext)
    secret = {name for name, shown in row.fields.items() if shown is None}
    fields = {name: Secret(value) if name in secret else value for name, value in values.items()}
    key = read_data_key(tx, account, version=row.sealed.dek_version)  # cached by now
    return OpenedKey(row, fields, None if key is None else key.cache_secret(row.provider))


def open_fields(tx: VaultTx, row: KeyRow) -> bytearray:
    """Return the decrypted, packed fields in a buffer that the caller wipes."""
    key = read_data_key(tx, row.account, version=row.sealed.dek_version)
    if key is None:
        raise tampered(row.key_id)
    try:
        context = blob_context(tx, row, key.version)
        return open_blob(key.key, _PURPOSE, context, row.sealed.blob)
    except EnvelopeError:
        raise tampered(row.key_id) from None


def get(tx: VaultTx, account: str, key_id: str) -> KeyRow:
    row = tx.sql.one(
        "SELECT * FROM key_entry WHERE key_id = ? AND account_id = ?",
        key_id_to_bytes(key_id),
        account,
    )
    if row is None:
        raise NotFound("there is no such key; look at the list of keys", key_id=key_id)
    return read_row(tx, row)


def list_keys(tx: VaultTx, account: str, provider: str | None = None) -> Listing:
    rows = tx.sql.all(
        "SELECT * FROM key_entry WHERE account_id = ? AND (provider_id = ? OR ? IS NULL)"
        " ORDER BY provider_id, created_at, rowid",
        account,
        provider,
        provider,
    )
    authentic: list[KeyRow] = []
    broken: list[str] = []
    for row in rows:
        try:
            authentic.append(read_row(tx, row))
        except VaultCorrupt:
            broken.append(key_id_to_text(row.blob("key_id")))
    return Listing(tuple(authentic), tuple(broken))


def default_key(tx: VaultTx, account: str, provider: str) -> KeyRow | None:
    key_id = _default_id(tx, account, provider)
    return None if key_id is None else get(tx, account, key_id)


def delete(tx: VaultTx, account: str, key_id: str) -> KeyFacts:
    """Delete a key, valid or not; the provider's newest usable key becomes the default."""
    raw = key_id_to_bytes(key_id)
    row = tx.sql.one("SELECT * FROM key_entry WHERE key_id = ? AND account_id = ?", raw, account)
    if row is None:
        raise NotFound("there is no such key; look at the list of keys", key_id=key_id)
    facts = facts_after_deletion(tx, row)
    tx.sql.run("DELETE FROM key_entry WHERE key_id = ?", raw)
    tx.changed = True
    tx.unrecorded_keys[key_id] = facts
    _promote_if_none(tx, account, facts.provider)
    return facts


def delete_missing(tx: VaultTx, account: str, key_id: str) -> KeyFacts:
    """Record the deletion of a key that the audit log has and the table has not."""
    recorded = tx.distrusted.get(key_id)
    row = tx.sql.one("SELECT 1 FROM key_entry WHERE key_id = ?", key_id_to_bytes(key_id))
    if recorded is None or recorded.account != account or row is not None:
        raise NotFound("there is no such key; look at the list of keys", key_id=key_id)
    facts = replace(recorded, state=DELETED)
    tx.unrecorded_keys[key_id] = facts
    _promote_if_none(tx, account, facts.provider)
    return facts


def facts_after_deletion(tx: VaultTx, row: Row) -> KeyFacts:
    """Return the facts to record when this row, valid or not, is deleted."""
    try:
        return read_row(tx, row).facts_after_deletion
    except VaultCorrupt:
        return deleted_facts(
            row.text("account_id"),
            key_id_to_text(row.blob("key_id")),
            row.text("provider_id"),
            row.number("version"),
            row.text("origin"),
        )


def set_default(tx: VaultTx, account: str, key_id: str) -> KeyRow:
    """Make a key the default of its provider; one that already is needs no audit entry."""
    row = get(tx, account, key_id)
    if row.is_default and not row.distrusted:
        return row
    if not row.is_default:
        _clear_default(tx, account, row.provider)
        row = update_row(tx, replace(row, is_default=True))
    _require_default_entry(tx, account, row.provider)
    return row


def move_origin(tx: VaultTx, account: str, key_id: str, *, from_: str, to: str) -> KeyRow:
    """Seal a key for another origin; its fields, version and state stay.

    Raises:
        Conflict: it is not sealed for `from_`, or it is distrusted: an entry would have the audit
            log record its present row.
    """
    row = get(tx, account, key_id)
    if row.distrusted:
        raise Conflict(
            "this key's entry was changed from outside; update or enable it first", key_id=key_id
        )
    if row.origin != from_:
        raise Conflict("the key changed meanwhile; look at it again", key_id=key_id)
    fields = open_key(tx, account, key_id).fields
    key = read_data_key(tx, account, version=row.sealed.dek_version)
    if key is None:
        raise tampered(key_id)
    moved = _with_fields(tx, key, replace(row, origin=to), fields)
    return _require_audit_entry(tx, update_row(tx, moved))


def set_label(tx: VaultTx, account: str, key_id: str, label: str | None) -> KeyRow:
    """Name a key; None takes its label away. The sealed fields stay as they are.

    Raises:
        Conflict: another key of the provider has this label, or the key is distrusted: a new label
            would have the audit log record its present row.
    """
    row = get(tx, account, key_id)
    if row.distrusted:
        raise Conflict(
            "this key's entry was changed from outside; update or enable it before you name it",
            key_id=key_id,
        )
    if row.label == label:
        return row
    others = list_keys(tx, account, row.provider).rows
    if label is not None and any(other.label == label for other in others):
        raise Conflict(
            "another key of this provider has this label; choose another one",
            key_id=key_id,
            details={"reason": "label"},
        )
    key = read_data_key(tx, account, version=row.sealed.dek_version)
    if key is None:
        raise tampered(key_id)
    named = replace(row, label=label)
    version = row.sealed.meta_version + 1
    sealed = replace(row.sealed, meta_version=version, meta=seal_meta(tx, key, named, version))
    return _require_audit_entry(tx, update_row(tx, replace(named, sealed=sealed)))


def set_state(
    tx: VaultTx,
    account: str,
    key_id: str,
    *,
    to: KeyState,
    at: int,
    reason: str | None = None,
    version: int | None = None,
    from_states: Collection[KeyState] | None = None,
    row_gen: int | None = None,
    health: Mapping[str, int | str] | None = None,
) -> KeyRow:
    """Change a key's state if the key is still as the caller saw it.

    Between `active` and `suspect` no audit entry is required: both are usable.

    Raises:
        Conflict: its version, state or `row_gen` changed.
    """
    row = get(tx, account, key_id)
    if (
        (version is not None and version != row.version)
        or (from_states is not None and row.state not in from_states)
        or (row_gen is not None and row_gen != row.row_gen)
    ):
        raise Conflict("the key changed meanwhile; look at it again", key_id=key_id)
    usable = to in USABLE
    takes_default = usable and _default_id(tx, account, row.provider) is None
    after = update_row(
        tx,
        replace(
            row,
            state=to,
            reason=reason,
            disabled_at=None if usable else at,
            is_default=row.is_default or takes_default,
            health=row.health if health is None else dict(health),
        ),
    )
    if after.facts == row.facts and not row.distrusted and not takes_default:
        return after
    default = (takes_default and not row.is_default) or _default_is_distrusted(row)
    return _require_audit_entry(tx, after, default=default)


def set_health(
    tx: VaultTx, account: str, key_id: str, *, version: int, health: Mapping[str, int | str]
) -> KeyRow | None:
    """Store the health of one version; None where the key is gone or has a newer version."""
    try:
        row = get(tx, account, key_id)
    except NotFound:
        return None
    if row.version != version:
        return None
    return row if row.health == health else update_row(tx, replace(row, health=dict(health)))


def use_needs_recording(row: KeyRow, *, at: int) -> bool:
    return row.last_used_at is None or not 0 <= at - row.last_used_at < LAST_USED_STEP_MS


def reseal_account(tx: VaultTx, account: str, *, at: int) -> int:
    """Seal every key of an account under a new data key; return how many there were.

    Fingerprints depend on the data key, so they change. A key that cannot be opened stays as it is.
    """
    key = renew_data_key(tx, account, at=at)
    if key is None:
        return 0
    listing = list_keys(tx, account)
    for row in listing.rows:
        try:
            fields = open_key(tx, account, row.key_id).fields
        except VaultCorrupt:
            continue
        update_row(tx, _with_fields(tx, key, row, fields))
    drop_unused_data_keys(tx, account, key.version)
    return len(listing.rows)


def record_use(tx: VaultTx, account: str, key_id: str, *, at: int) -> bool:
    try:
        row = get(tx, account, key_id)
    except NotFound:
        return False
    if not use_needs_recording(row, at=at):
        return False
    update_row(tx, replace(row, last_used_at=at))
    return True


def all_facts(tx: VaultTx) -> dict[str, KeyFacts | None]:
    """Return every key's facts by id; None for a row that fails its check."""
    facts: dict[str, KeyFacts | None] = {}
    for row in tx.sql.all("SELECT * FROM key_entry"):
        try:
            checked = read_row(tx, row)
        except VaultCorrupt:
            facts[key_id_to_text(row.blob("key_id"))] = None
        else:
            facts[checked.key_id] = checked.facts
    return facts


def fingerprint_of(
    tx: VaultTx, account: str, provider: str, fields: Mapping[str, Secret | str]
) -> str | None:
    """Return the fingerprint these fields would get; None for an account without keys."""
    key = read_data_key(tx, account)
    return None if key is None else fingerprint(key.fingerprint, provider, _secrets(fields))


def _with_fields(
    tx: VaultTx, key: DataKey, row: KeyRow, fields: Mapping[str, Secret | str]
) -> KeyRow:
    shown = {name: None if isinstance(value, Secret) else value for name, value in fields.items()}
    first = next((value for value in fields.values() if isinstance(value, Secret)), None)
    row = replace(
        row,
        fields=shown,
        last4=None if first is None else first.last4(),
        fingerprint=fingerprint(key.fingerprint, row.provider, _secrets(fields)),
    )
    texts = [
        (name, value.reveal() if isinstance(value, Secret) else value)
        for name, value in fields.items()
    ]
    blob = seal(key.key, _PURPOSE, blob_context(tx, row, key.version), pack_pairs(texts))
    meta_version = row.sealed.meta_version + 1
    meta = seal_meta(tx, key, row, meta_version)
    return replace(row, sealed=Sealed(key.version, meta_version, meta, blob))


def _secrets(fields: Mapping[str, Secret | str]) -> Iterable[str]:
    return [value.reveal() for _, value in sorted(fields.items()) if isinstance(value, Secret)]


def _default_is_distrusted(row: KeyRow) -> bool:
    return row.is_default and row.distrusted


def _require_default_entry(tx: VaultTx, account: str, provider: str) -> None:
    tx.unrecorded_defaults[account, provider] = _default_id(tx, account, provider)


def _require_audit_entry(tx: VaultTx, row: KeyRow, *, default: bool = False) -> KeyRow:
    """Require an entry with the key's facts and, with `default`, its provider's default key."""
    tx.unrecorded_keys[row.key_id] = row.facts
    if default:
        _require_default_entry(tx, row.account, row.provider)
    return replace(row, distrusted=False)  # the audit entry will record its present facts


def _default_id(tx: VaultTx, account: str, provider: str) -> str | None:
    row = tx.sql.one(
        "SELECT key_id FROM key_entry WHERE account_id = ? AND provider_id = ? AND is_default = 1",
        account,
        provider,
    )
    return None if row is None else key_id_to_text(row.blob("key_id"))


def _clear_default(tx: VaultTx, account: str, provider: str) -> None:
    if (current := default_key(tx, account, provider)) is not None:
        update_row(tx, replace(current, is_default=False))


def _promote_if_none(tx: VaultTx, account: str, provider: str) -> None:
    """Make the provider's newest usable key its default, if it has no default."""
    if _default_id(tx, account, provider) is not None:
        return
    usable = [row for row in list_keys(tx, account, provider).rows if row.usable]
    if usable:
        update_row(tx, replace(usable[-1], is_default=True))
    _require_default_entry(tx, account, provider)
