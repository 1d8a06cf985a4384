"""What can be done with keys, each a function on one transaction of the unlocked vault.

    put  rotate  delete  set_state  set_default      change a key; an audit entry is owed
    note_used  set_health                            change it in ways nobody audits
    get  list_keys  default_key  open_key  facts     read

Knows the rules: one default per provider and account, versions that only rise, who may follow which
state. Must not know providers, the network, or why a key is disabled.

Every function takes the account, and another account's key is as absent as one that never was.
A function that writes may raise `StoreBusy` and `StoreFailed`. Any may raise `VaultCorrupt` with
the id of a key whose row was changed from outside; the other keys keep working.
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
    """Store a new key. It becomes the default where the provider has none, or when asked to.

    Raises:
        Conflict: the account holds `KEYS_PER_ACCOUNT_MAX` keys.
    """
    held = tx.sql.one("SELECT count(*) AS n FROM key_entry WHERE account_id = ?", account)
    if held is not None and held.number("n") >= KEYS_PER_ACCOUNT_MAX:
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
    return _require_audit_entry(tx, insert_row(tx, _with_fields(tx, key, row, new.fields)))


def rotate(
    tx: VaultTx,
    account: str,
    key_id: str,
    fields: Mapping[str, Secret | str],
    *,
    at: int,
    label: str | None = None,
) -> KeyRow:
    """Replace a key's fields by a new version that starts active; the old ciphertext is wiped.

    The label stays unless there is a new one.

    Raises:
        NotFound: no such key in this account.
    """
    row = get(tx, account, key_id)
    fresh = replace(
        row,
        version=row.version + 1,
        state="active",
        reason=None,
        health={},
        rotated_at=at,
        disabled_at=None,
        label=label or row.label,
        is_default=row.is_default or _default_id(tx, account, row.provider) is None,
    )
    key = ensure_data_key(tx, account, at=at)
    return _require_audit_entry(tx, update_row(tx, _with_fields(tx, key, fresh, fields)))


def open_key(tx: VaultTx, account: str, key_id: str) -> OpenedKey:
    """Open a key, whatever its state: the caller has looked at it.

    Raises:
        NotFound: no such key in this account.
        VaultCorrupt: the entry is not what was stored for this account, provider and origin.
    """
    row = get(tx, account, key_id)
    plaintext = open_fields(tx, row)
    values = unpack_pairs(plaintext)
    wipe(plaintext)
    secret = {name for name, shown in row.fields.items() if shown is None}
    return OpenedKey(
        row, {name: Secret(value) if name in secret else value for name, value in values.items()}
    )


def open_fields(tx: VaultTx, row: KeyRow) -> bytearray:
    """Return what is sealed in an entry, packed, in a buffer that the caller wipes.

    Raises:
        VaultCorrupt: the entry is not what was stored for this account, provider and origin.
    """
    key = read_data_key(tx, row.account, version=row.sealed.dek_version)
    if key is None:
        raise tampered(row.key_id)
    try:
        bound = blob_context(tx, row, key.version)
        return open_blob(key.key, _PURPOSE, bound, row.sealed.blob)
    except EnvelopeError:
        raise tampered(row.key_id) from None


def get(tx: VaultTx, account: str, key_id: str) -> KeyRow:
    """Return one key.

    Raises:
        NotFound: no such key in this account.
    """
    found = tx.sql.one(
        "SELECT * FROM key_entry WHERE key_id = ? AND account_id = ?",
        key_id_to_bytes(key_id),
        account,
    )
    if found is None:
        raise NotFound("there is no such key; look at the list of keys", key_id=key_id)
    return read_row(tx, found)


def list_keys(tx: VaultTx, account: str, provider: str | None = None) -> Listing:
    """Return the account's keys, of one provider or of all, by provider and age."""
    found = tx.sql.all(
        "SELECT * FROM key_entry WHERE account_id = ? AND (provider_id = ? OR ? IS NULL)"
        " ORDER BY provider_id, created_at, rowid",
        account,
        provider,
        provider,
    )
    good: list[KeyRow] = []
    broken: list[str] = []
    for row in found:
        try:
            good.append(read_row(tx, row))
        except VaultCorrupt:
            broken.append(key_id_to_text(row.blob("key_id")))
    return Listing(tuple(good), tuple(broken))


def default_key(tx: VaultTx, account: str, provider: str) -> KeyRow | None:
    """Return the key that a call uses when it names none; None where the provider has no key."""
    key_id = _default_id(tx, account, provider)
    return None if key_id is None else get(tx, account, key_id)


def delete(tx: VaultTx, account: str, key_id: str) -> KeyFacts:
    """Remove a key and overwrite its pages; the newest usable one becomes the default.

    A key whose row was changed from outside can be deleted too: nothing else helps there.

    Raises:
        NotFound: no such key in this account.
    """
    raw = key_id_to_bytes(key_id)
    found = tx.sql.one("SELECT * FROM key_entry WHERE key_id = ? AND account_id = ?", raw, account)
    if found is None:
        raise NotFound("there is no such key; look at the list of keys", key_id=key_id)
    gone = facts_after_deletion(tx, found)
    tx.sql.run("DELETE FROM key_entry WHERE key_id = ?", raw)
    tx.changed = True
    tx.unrecorded_keys[key_id] = gone
    if _default_id(tx, account, gone.provider) is None:
        _promote(tx, account, gone.provider)
    return gone


def delete_missing(tx: VaultTx, account: str, key_id: str) -> KeyFacts:
    """Give up a key whose row was removed from outside: what the trail tells of it ends.

    Raises:
        NotFound: the trail knows of no such key in this account, or its row is there.
    """
    told = tx.distrusted.get(key_id)
    there = tx.sql.one("SELECT 1 FROM key_entry WHERE key_id = ?", key_id_to_bytes(key_id))
    if told is None or told.account != account or there is not None:
        raise NotFound("there is no such key; look at the list of keys", key_id=key_id)
    tx.unrecorded_keys[key_id] = gone = replace(told, state=DELETED)
    return gone


def facts_after_deletion(tx: VaultTx, found: Row) -> KeyFacts:
    """Return what the trail must say of an entry once it is deleted; it may be a changed one."""
    try:
        return read_row(tx, found).facts_after_deletion
    except VaultCorrupt:
        return deleted_facts(
            found.text("account_id"),
            key_id_to_text(found.blob("key_id")),
            found.text("provider_id"),
            found.number("version"),
            found.text("origin"),
        )


def set_default(tx: VaultTx, account: str, key_id: str) -> KeyRow:
    """Use this key where a call names none. Nothing is owed: no key gains or loses anything.

    Raises:
        NotFound: no such key in this account.
    """
    row = get(tx, account, key_id)
    if row.is_default:
        return row
    _clear_default(tx, account, row.provider)
    return update_row(tx, replace(row, is_default=True))


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
    """Change a key's state, if it still is what the caller looked at.

    Between `active` and `suspect` nothing is owed: both are used.

    Raises:
        NotFound: no such key in this account.
        Conflict: another version, another state or another generation by now.
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
    told = after.facts == row.facts and not row.distrusted
    return after if told else _require_audit_entry(tx, after)


def set_health(
    tx: VaultTx, account: str, key_id: str, *, version: int, health: Mapping[str, int | str]
) -> KeyRow | None:
    """Remember health of one version; None where the key is gone or has a newer version.

    A late answer about a version that was replaced says nothing about the one that replaced it.
    """
    try:
        row = get(tx, account, key_id)
    except NotFound:
        return None
    if row.version != version:
        return None
    return row if row.health == health else update_row(tx, replace(row, health=dict(health)))


def use_needs_recording(row: KeyRow, *, at: int) -> bool:
    """Tell whether a use now is worth a write: it was used long ago, or never, or in the future."""
    return row.last_used_at is None or not 0 <= at - row.last_used_at < LAST_USED_STEP_MS


def reseal_account(tx: VaultTx, account: str, *, at: int) -> int:
    """Seal every key of an account under a new data key; returns how many there were.

    Fingerprints are made with the data key, so they change too. A key that cannot be opened stays
    as it is, under the data key that it was sealed under.
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
    """Remember when a key was last used; returns whether that was worth a write."""
    try:
        row = get(tx, account, key_id)
    except NotFound:
        return False
    if not use_needs_recording(row, at=at):
        return False
    update_row(tx, replace(row, last_used_at=at))
    return True


def all_facts(tx: VaultTx) -> dict[str, KeyFacts | None]:
    """Return every key's facts by id, None for a row that fails its check.

    The audit trail is compared with this.
    """
    found: dict[str, KeyFacts | None] = {}
    for row in tx.sql.all("SELECT * FROM key_entry"):
        try:
            checked = read_row(tx, row)
        except VaultCorrupt:
            found[key_id_to_text(row.blob("key_id"))] = None
        else:
            found[checked.key_id] = checked.facts
    return found


def fingerprint_of(
    tx: VaultTx, account: str, provider: str, fields: Mapping[str, Secret | str]
) -> str | None:
    """Return the fingerprint that these fields would get; None for an account without keys.

    Tells a person that a key is stored already, without opening any.
    """
    key = read_data_key(tx, account)
    return None if key is None else fingerprint(key.fingerprint, provider, _secrets(fields))


def _with_fields(
    tx: VaultTx, key: DataKey, row: KeyRow, fields: Mapping[str, Secret | str]
) -> KeyRow:
    """Return the row with these fields sealed into it."""
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


def _require_audit_entry(tx: VaultTx, row: KeyRow) -> KeyRow:
    tx.unrecorded_keys[row.key_id] = row.facts
    return replace(row, distrusted=False)  # what is told of it from now on is what it says


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


def _promote(tx: VaultTx, account: str, provider: str) -> None:
    """Make the newest usable key the default; broken rows are passed over."""
    usable = [row for row in list_keys(tx, account, provider).rows if row.usable]
    if usable:
        update_row(tx, replace(usable[-1], is_default=True))
