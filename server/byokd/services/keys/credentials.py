"""Which key a call may use, and what it needs to be sent: provider, address and opened fields.

Knows the route of contract `chat/send`: an own key, the shared pool, or no key where a provider
needs none. Must not send anything. Every grant reads the store anew, so that a key disabled in one
window is disabled in all of them at the next call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from byokd.catalog.record import HealthClass, Provider
from byokd.catalog.surfaces import named_by, spoken
from byokd.core.secret import Secret
from byokd.core.settings import SharedKey
from byokd.dialects.base.urls import fill
from byokd.protocol.base import JsonObject
from byokd.protocol.chat import SendParams
from byokd.protocol.errors import (
    Action,
    InvalidParams,
    KeyDisabled,
    KeyMissing,
    Kind,
    NotFound,
    Unsupported,
    VaultUninitialized,
)
from byokd.services.audit.usage_counter import UsageCounter
from byokd.services.chat.redaction import StreamRedactor
from byokd.services.error_actions import action_for
from byokd.services.health.monitor import HealthMonitor, evidence_of
from byokd.services.health.policy import Observation
from byokd.services.keys.origin import BaseUrl, read_base_url
from byokd.services.keys.prober import Candidate, plain
from byokd.services.providers import ProviderService
from byokd.services.runtime.clock import now_ms
from byokd.services.runtime.session import Session
from byokd.vault import KeyRow, OpenedKey, Vault, VaultTx, keys

INTEGRITY: Final = "integrity"
"""The reason of a key that is not what the audit trail tells of it."""


@dataclass(frozen=True, slots=True)
class Credential:
    """Leave to make one call.

    Attributes:
        record: whom to ask; of a chat, as it is in the dialect that was chosen.
        base_url: where, canonical, templates filled.
        at_default_origin: whether the record says where: the key has no base URL of its own.
        fields: the opened key; empty where none is needed.
        row: the stored key, or None for the shared pool and where none is needed.
        dialect: what the key's own base URL names, where it is the whole address of a chat.
    """

    record: Provider
    base_url: str
    at_default_origin: bool
    fields: Mapping[str, Secret | str]
    row: KeyRow | None = None
    dialect: str | None = None

    @property
    def key_id(self) -> str | None:
        """The stored key's id."""
        return self.row.key_id if self.row else None

    @property
    def plain_fields(self) -> dict[str, str]:
        """The fields that are not secret."""
        return plain(self.fields)

    @property
    def candidate(self) -> Candidate:
        """The same, for a probe."""
        return Candidate(
            self.record,
            self.base_url,
            self.at_default_origin,
            self.fields,
            self.sealed_origin,
            self.key_id,
        )

    @property
    def sealed_origin(self) -> str | None:
        """The origin that the stored key was sealed for."""
        return self.row.origin if self.row else None

    def masking(self, params: SendParams | None = None) -> StreamRedactor:
        """Return what hides the key in everything that comes back; made anew for each call.

        Args:
            params: of a chat: a call id that holds the key is replaced by one that is not in it.
        """
        return self.candidate.masking(params)

    def action_for(self, kind: Kind) -> Action | None:
        """Return what would help."""
        return action_for(kind, self.record)


class CredentialResolver:
    """Grants calls, and passes on what their answers said about the key."""

    def __init__(
        self,
        providers: ProviderService,
        vault: Vault,
        watch: HealthMonitor,
        shared_pool: Mapping[str, SharedKey],
        uses: UsageCounter | None = None,
    ) -> None:
        self._uses = uses or UsageCounter()
        self._providers = providers
        self._vault = vault
        self._watch = watch
        self._shared_pool = shared_pool

    def record(self, session: Session, provider: str) -> Provider:
        """Return a provider's record; raises `NotFound` or `Unsupported`."""
        return self._providers.get(provider, session)

    async def grant(self, session: Session, params: SendParams) -> Credential:
        """Return leave for a chat, by the route that was asked for.

        Raises:
            KeyMissing: no key for this provider, and none that is shared.
            KeyDisabled: the key is out of use; nothing was decrypted.
            NotFound: no such key for this provider.
            InvalidParams: the provider does not speak the dialect that was asked for.
            VaultError: keys cannot be reached.
        """
        record = self.record(session, params.provider)
        if params.route == "shared":
            grant = self._shared(record)
        else:
            auto = params.route == "auto" and params.key_id is None
            shared = auto and record.id in self._shared_pool
            grant = await self.grant_for(session, record, params.key_id, shared=shared)
        named = params.dialect or grant.dialect
        asked = spoken(record, params.model, grant.base_url, named, grant.plain_fields)
        return replace(grant, record=asked)

    async def grant_for(
        self, session: Session, record: Provider, key_id: str | None, *, shared: bool = False
    ) -> Credential:
        """Return leave to use one key, or the provider's default key. Raises as `grant`."""
        opened = await self._open(session, record, key_id)
        if opened is not None:
            return grant_of(record, opened)
        if shared:
            return self._shared(record)
        if record.keyless and record.base_url is not None:
            base = read_base_url(record.base_url)
            return Credential(record, base.url, at_default_origin=True, fields={})
        raise KeyMissing(
            f"there is no key for {record.name}; store one first",
            action=action_for("keyMissing", record),
        )

    async def usual_grant(
        self, session: Session, record: Provider, key_id: str | None
    ) -> Credential:
        """Return leave to use the named key, or what the route `auto` takes. Raises as `grant`."""
        shared = key_id is None and record.id in self._shared_pool
        return await self.grant_for(session, record, key_id, shared=shared)

    async def origin_of_key(self, session: Session, key_id: str) -> str:
        """Return where a key goes, whatever its state; raises `NotFound`."""
        row = await self._vault.read(lambda tx: keys.get(tx, session.account, key_id))
        return row.origin

    async def record_of_key(self, session: Session, key_id: str) -> Provider:
        """Return the provider that a key belongs to; raises `NotFound`."""
        row = await self._vault.read(lambda tx: keys.get(tx, session.account, key_id))
        return self.record(session, row.provider)

    def records(self, session: Session) -> Sequence[Provider]:
        """Return every provider that this session may see."""
        return self._providers.visible(session)

    async def records_with_keys(self, session: Session) -> Sequence[Provider]:
        """Return the providers that can be called: by a stored key, or without any."""
        try:
            listing = await self._vault.read(lambda tx: keys.list_keys(tx, session.account))
            stored = {row.provider for row in listing.rows if row.usable}
        except VaultUninitialized:
            stored = set()
        return [
            record
            for record in self._providers.visible(session)
            if record.id in stored or (record.keyless and record.base_url is not None)
        ]

    def used(self, grant: Credential, outcome: str) -> None:
        """Count that a stored key was used, and what came of it; the caller waits for nothing."""
        if grant.row is not None:
            self._uses.count(grant.row, outcome, at=now_ms())

    async def observe(
        self, session: Session, grant: Credential, seen: Observation, *, started_at: int
    ) -> None:
        """Pass on what an answer said about the key."""
        if grant.row is not None:
            await self._watch.observe(session, grant.row, seen, started_at=started_at)

    def repeat_ms(self, grant: Credential, seen: HealthClass) -> int | None:
        """Return after what delay a call that was answered so is worth one more try, or None."""
        return None if grant.row is None else self._watch.repeat_ms(grant.row, seen)

    async def _open(
        self, session: Session, record: Provider, key_id: str | None
    ) -> OpenedKey | None:
        """Open the named or the default key in one look at the store."""
        account = session.account

        def look(tx: VaultTx) -> OpenedKey | None:
            if key_id is not None:
                row = keys.get(tx, account, key_id)
                if row.provider != record.id:
                    raise NotFound(f"this key does not belong to {record.name}", key_id=key_id)
            else:
                rows = keys.list_keys(tx, account, provider=record.id).rows
                if not rows:
                    return None
                row = next((row for row in rows if row.is_default), rows[0])
            if not row.usable:
                raise _disabled(row, record)
            return keys.open_key(tx, account, row.key_id)

        try:
            return await self._vault.read(look)
        except VaultUninitialized:
            if key_id is not None:
                raise
            return None

    def _shared(self, record: Provider) -> Credential:
        entry = self._shared_pool.get(record.id)
        if entry is None or record.kind != "managed":
            raise Unsupported(
                "there is no shared key for this provider; the configuration file names them",
                provider=record.id,
            )
        base = base_url_of(record, entry.base_url, {})
        base_url, dialect = named_by(record, base.url) if entry.base_url else (base.url, None)
        fields = {record.auth.field: entry.secret}
        return Credential(record, base_url, entry.base_url is None, fields, dialect=dialect)


def grant_of(record: Provider, opened: OpenedKey) -> Credential:
    """Return leave to use an opened key, at its own base URL or at its record's present one.

    The record may have moved since the key was stored: `sending` compares the origins.
    """
    row = opened.row
    base = base_url_of(record, row.base_url, opened.fields, allow_insecure=row.allow_insecure)
    base_url, dialect = named_by(record, base.url) if row.base_url else (base.url, None)
    return Credential(record, base_url, row.base_url is None, opened.fields, row, dialect)


def base_url_of(
    record: Provider,
    own: str | None,
    fields: Mapping[str, Secret | str],
    *,
    allow_insecure: bool = False,
) -> BaseUrl:
    """Return where a key's calls go: its own base URL, or its record's with the fields filled in.

    Raises:
        InvalidParams: there is neither, or it is not one that a key may be sent to.
    """
    if own is not None:
        return read_base_url(own, allow_insecure=allow_insecure)
    if record.base_url is None or record.base_url_required:
        raise InvalidParams(
            f"give a base URL: {record.name} has no address of its own",
            details=[{"pointer": "/baseUrl", "reason": "is required"}],
        )
    return read_base_url(fill(record.base_url, plain(fields)))


def _disabled(row: KeyRow, record: Provider) -> KeyDisabled:
    details: JsonObject = {
        "state": row.state,
        "reason": INTEGRITY if row.distrusted else row.reason,
        "disabledAt": row.disabled_at,
        "evidence": None,
    }
    if row.distrusted:
        text = "this key's entry is not what the audit trail tells of it; rotate or enable the key"
    elif row.state == "softDisabled":
        details["evidence"] = evidence_of(row)
        text = (
            f"this key is out of use after {record.name} kept rejecting it; update or re-enable it"
        )
    else:
        text = "this key was switched off; enable it to use it"
    return KeyDisabled(
        text,
        key_id=row.key_id,
        provider=record.id,
        action=action_for("keyDisabled", record),
        details=details,
    )
