"""Chooses the key of a call: a stored key, the shared pool, or none where none is needed.

Each call reads the store, so that a key disabled in any process is disabled in all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from byokd.catalog.record import HealthClass, Provider
from byokd.catalog.surfaces import choose_surface, split_chat_path
from byokd.core.settings import SharedKey
from byokd.protocol.base import JsonObject
from byokd.protocol.chat import SendParams
from byokd.protocol.errors import KeyDisabled, KeyMissing, NotFound, Unsupported, VaultUninitialized
from byokd.services.audit.usage_counter import UsageCounter
from byokd.services.error_actions import action_for
from byokd.services.health.monitor import HealthMonitor
from byokd.services.health.policy import Observation
from byokd.services.health.stored import evidence_of
from byokd.services.keys.credentials import INTEGRITY, Credential, base_url_of, credential_of
from byokd.services.providers import ProviderService
from byokd.services.runtime.clock import now_ms
from byokd.services.runtime.session import Session
from byokd.vault import KeyRow, OpenedKey, Vault, VaultTx, keys


class CredentialResolver:
    """Resolves the credential of a call, and reports the provider's answers about it."""

    def __init__(
        self,
        providers: ProviderService,
        vault: Vault,
        monitor: HealthMonitor,
        shared_pool: Mapping[str, SharedKey],
        usage: UsageCounter,
    ) -> None:
        self._providers = providers
        self._vault = vault
        self._monitor = monitor
        self._shared_pool = shared_pool
        self._usage = usage

    def record(self, session: Session, provider: str) -> Provider:
        return self._providers.get(provider, session)

    def records(self, session: Session) -> Sequence[Provider]:
        return self._providers.visible(session)

    async def rows_by_provider(self, session: Session) -> Mapping[str, Sequence[KeyRow]]:
        """Return all keys, disabled ones too; raises `VaultError` if they cannot be read."""
        try:
            listing = await self._vault.read(lambda tx: keys.list_keys(tx, session.account))
        except VaultUninitialized:
            return {}
        rows: dict[str, list[KeyRow]] = {}
        for row in listing.rows:
            rows.setdefault(row.provider, []).append(row)
        return rows

    async def row_of_key(self, session: Session, key_id: str) -> KeyRow:
        return await self._vault.read(lambda tx: keys.get(tx, session.account, key_id))

    async def origin_of_key(self, session: Session, key_id: str) -> str:
        return (await self.row_of_key(session, key_id)).origin

    async def resolve(self, session: Session, params: SendParams) -> Credential:
        """Return the credential of a chat, by the route of its params.

        Raises:
            KeyMissing, NotFound: the provider has no key, or not this one.
            KeyDisabled: the key is disabled; it was not decrypted.
            InvalidParams: the provider does not speak the requested dialect.
        """
        record = self.record(session, params.provider)
        if params.route == "shared":
            credential = self._shared_credential(record)
        elif params.route == "auto":
            credential = await self.resolve_auto(session, record, params.key_id)
        else:
            credential = await self.resolve_key(session, record, params.key_id)
        dialect = params.dialect or credential.dialect
        chosen = choose_surface(
            record, params.model, credential.base_url, dialect, credential.plain_fields
        )
        return replace(credential, record=chosen)

    async def resolve_auto(
        self, session: Session, record: Provider, key_id: str | None
    ) -> Credential:
        """Return the named key, the default key, or the shared one. Raises as `resolve`."""
        opened = await self._open(session, record, key_id)
        if opened is None and key_id is None and record.id in self._shared_pool:
            return self._shared_credential(record)
        return self._own_credential(record, opened)

    async def resolve_key(
        self, session: Session, record: Provider, key_id: str | None
    ) -> Credential:
        """Return the named key or the provider's default key. Raises as `resolve`."""
        return self._own_credential(record, await self._open(session, record, key_id))

    def count_use(self, credential: Credential, outcome: str, requester: str | None) -> None:
        if credential.row is not None:
            self._usage.count(credential.row, outcome, at=now_ms(), requester=requester)

    async def observe(
        self,
        session: Session,
        credential: Credential,
        observation: Observation,
        *,
        started_at: int,
    ) -> None:
        if credential.row is not None:
            await self._monitor.observe(session, credential.row, observation, started_at=started_at)

    def repeat_ms(self, credential: Credential, health: HealthClass) -> int | None:
        """See `HealthMonitor.repeat_ms`; None for a credential that is not stored."""
        return None if credential.row is None else self._monitor.repeat_ms(credential.row, health)

    async def _open(
        self, session: Session, record: Provider, key_id: str | None
    ) -> OpenedKey | None:
        """Open the named or default key in one read; None if the provider has no key."""
        account = session.account

        def open_usable(tx: VaultTx) -> OpenedKey | None:
            if key_id is not None:
                row = keys.get(tx, account, key_id)
                if row.provider != record.id:
                    raise NotFound(f"this key does not belong to {record.name}", key_id=key_id)
            elif (chosen := _default_row(tx, account, record)) is not None:
                row = chosen
            else:
                return None
            if not row.usable:
                raise disabled_error(row, record)
            return keys.open_key(tx, account, row.key_id)

        try:
            return await self._vault.read(open_usable)
        except VaultUninitialized:
            if key_id is not None:
                raise
            return None

    def _own_credential(self, record: Provider, opened: OpenedKey | None) -> Credential:
        if opened is not None:
            return credential_of(record, opened)
        if record.keyless and record.base_url is not None:
            base = base_url_of(record, None, {})
            return Credential(record, base.url, at_default_origin=True, fields={})
        raise KeyMissing(
            f"there is no key for {record.name}; store one first",
            action=action_for("keyMissing", record),
        )

    def _shared_credential(self, record: Provider) -> Credential:
        entry = self._shared_pool.get(record.id)
        if entry is None or record.kind != "managed":
            raise Unsupported(
                "there is no shared key for this provider; the configuration file names them",
                provider=record.id,
            )
        base = base_url_of(record, entry.base_url, {})
        base_url, dialect = (
            split_chat_path(record, base.url) if entry.base_url else (base.url, None)
        )
        fields = {record.auth.field: entry.secret}
        return Credential(record, base_url, entry.base_url is None, fields, dialect=dialect)


def _default_row(tx: VaultTx, account: str, record: Provider) -> KeyRow | None:
    """Return the provider's default key, or its oldest where none is the default.

    Raises:
        VaultCorrupt: the default, or an entry that may have been the default, fails its check. No
            other key is sent in its place.
    """
    if (row := keys.default_key(tx, account, record.id)) is not None:
        return row
    listing = keys.list_keys(tx, account, provider=record.id)
    if listing.broken:
        keys.get(tx, account, listing.broken[0])
    return listing.rows[0] if listing.rows else None


def disabled_error(row: KeyRow, record: Provider) -> KeyDisabled:
    details: JsonObject = {
        "state": row.state,
        "reason": INTEGRITY if row.distrusted else row.reason,
        "disabledAt": row.disabled_at,
        "evidence": None,
    }
    if row.distrusted:
        text = "this key's entry differs from the audit log; rotate or enable the key"
    elif row.state == "softDisabled":
        details["evidence"] = evidence_of(row)
        text = f"this key is disabled because {record.name} rejected it; update or re-enable it"
    else:
        text = "this key was switched off; enable it to use it"
    return KeyDisabled(
        text,
        key_id=row.key_id,
        provider=record.id,
        action=action_for("keyDisabled", record),
        details=details,
    )
