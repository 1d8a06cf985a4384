"""`key/…`: stores, rotates, lists, probes, enables, disables and deletes keys.

No method returns a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace

from byokd.audit.check import ChainChecker
from byokd.catalog.record import Provider
from byokd.crypto.seal import SealingKey
from byokd.model_cache import ModelCache
from byokd.protocol.actions import EnableKeyAction
from byokd.protocol.base import JsonObject
from byokd.protocol.errors import (
    BY_KIND,
    ByokdError,
    Conflict,
    KeyInvalid,
    NetworkFailed,
    NotFound,
)
from byokd.protocol.key import (
    Fields,
    KeyDeleteResult,
    KeyEnableParams,
    KeyEnableResult,
    KeyIdParams,
    KeyInfo,
    KeyListParams,
    KeyListResult,
    KeyProbeParams,
    KeyProbeResult,
    KeyResult,
    KeyRotateParams,
    KeySetLabelParams,
    KeyStoreParams,
    KeyStoreResult,
    ListedKey,
    ProbePolicy,
    ProbeResult,
)
from byokd.services.audit.service import AuditService
from byokd.services.audit.usage_recorder import UsageRecorder
from byokd.services.error_actions import action_for
from byokd.services.health import prompts
from byokd.services.health.policy import ACCEPTED, REFUSED
from byokd.services.keys.credentials import INTEGRITY
from byokd.services.keys.input import (
    ParsedKey,
    SealContext,
    base_url_has_old_field,
    is_spelling_of,
    parse_key,
)
from byokd.services.keys.label import checked_label
from byokd.services.keys.notifications import notify_key_changed
from byokd.services.keys.prober import Candidate, Prober
from byokd.services.keys.state import KeyStates
from byokd.services.keys.stored_probe import StoredKeyProber
from byokd.services.providers import ProviderService
from byokd.services.runtime.background import Background
from byokd.services.runtime.clock import now_ms
from byokd.services.runtime.paging import page
from byokd.services.runtime.session import Session
from byokd.services.vault.backups import BackupService
from byokd.services.vault.service import VaultService
from byokd.vault import KeyFacts, KeyRow, NewKey, Vault, VaultTx, keys


class KeyService:
    def __init__(
        self,
        providers: ProviderService,
        vault: Vault,
        audit: AuditService,
        usage: UsageRecorder,
        vault_service: VaultService,
        prober: Prober,
        stored_prober: StoredKeyProber,
        states: KeyStates,
        sealing: SealingKey,
        model_cache: ModelCache,
        backups: BackupService,
        background: Background,
        running_chats: Callable[[], Mapping[str, int]],
    ) -> None:
        self._providers = providers
        self._vault = vault
        self._audit = audit
        self._usage = usage
        self._vault_service = vault_service
        self._prober = prober
        self._stored_prober = stored_prober
        self._states = states
        self._sealing = sealing
        self._model_cache = model_cache
        self._backups = backups
        self._background = background
        self._running_chats = running_chats

    async def store(self, session: Session, params: KeyStoreParams) -> KeyStoreResult:
        """Probe a new key and store it, unless the provider refuses it.

        Raises:
            InvalidParams: the input does not fit; pointers name the fields.
            KeyInvalid: `probe` is `require` and the provider refuses the key.
            ByokdError: `probe` is `requireAnswer` and the provider could not be asked.
            VaultError: keys cannot be stored here; no request was sent.
        """
        provider = self._providers.get(params.provider, session)
        parsed = parse_key(
            session,
            provider,
            params.fields,
            self._sealing,
            SealContext("key/store", params.provider, None, params.base_url),
            base_url=params.base_url,
            allow_insecure=params.allow_insecure_origin,
        )
        await self._vault_service.ensure_ready(session)
        new = NewKey(
            provider=provider.id,
            origin=parsed.address.origin,
            fields=parsed.fields,
            label=checked_label(params.label),
            base_url=parsed.address.own,
            allow_insecure=params.allow_insecure_origin,
            make_default=params.make_default,
        )
        return await self.store_parsed(session, parsed, new, params.probe, cause="store")

    async def store_parsed(
        self,
        session: Session,
        parsed: ParsedKey,
        new: NewKey,
        policy: ProbePolicy,
        *,
        cause: str,
        disabled: bool = False,
    ) -> KeyStoreResult:
        """Probe and store a checked key; `disabled` stores it switched off.

        Raises:
            KeyInvalid, ByokdError: the policy requires another answer of the provider.
        """
        probe = await self._probe_new(parsed.candidate, policy)
        notes = parsed.notes
        if (located := _base_url_in(probe)) is not None:
            stored = replace(new, base_url=parsed.base_url_at(located))
            notes = (*notes, f"baseUrl: stored as {stored.base_url}, where the API answered")
        else:
            stored = new

        def write(tx: VaultTx) -> KeyRow:
            row = keys.put(tx, session.account, stored, at=now_ms())
            details: JsonObject = {
                "origin": row.origin,
                "allowInsecureOrigin": row.allow_insecure,
                "cause": cause,
            }
            self._audit.record(tx, session, "key.created", row, details)
            row = self._states.start_version(tx, row)
            row = self._states.record_probe(tx, session, row, probe, cause)
            return self._states.switch_off(tx, session, row.key_id) if disabled else row

        row = await self._vault.transaction(write)
        notify_key_changed(session, row, "stored", state=row.state, reason=row.reason)
        return KeyStoreResult(key=key_info(row), probe=probe, notes=notes)

    async def rotate(self, session: Session, params: KeyRotateParams) -> KeyStoreResult:
        """Replace the secret of a key; its id and origin stay, and its label without a new one.

        Raises:
            Conflict: the new input is for another provider or address.
        """
        old = await self._row(session, params.key_id)
        provider = self._providers.get(old.provider, session)
        old_fields: Fields = {
            name: value for name, value in old.fields.items() if value is not None
        }
        base_url = params.base_url
        if base_url is None or is_spelling_of(provider, base_url, old):
            base_url = old.base_url
        parsed = parse_key(
            session,
            provider,
            old_fields | params.fields,
            self._sealing,
            SealContext("key/rotate", params.provider, params.key_id, params.base_url),
            base_url=base_url,
            allow_insecure=old.allow_insecure,
        )
        if (
            provider.id != (params.provider or provider.id)
            or (parsed.address.origin, parsed.address.own) != (old.origin, old.base_url)
            or base_url_has_old_field(provider, old.base_url, old.fields, parsed.fields)
        ):
            raise Conflict(
                "this would be a key for another provider or address; store it as another key"
            )
        label = checked_label(params.label)
        probe = await self._probe_new(parsed.candidate, params.probe)

        def write(tx: VaultTx) -> KeyRow:
            row = keys.rotate(
                tx, session.account, params.key_id, parsed.fields, at=now_ms(), label=label
            )
            details: JsonObject = {
                "fingerprint": row.fingerprint,
                "previousFingerprint": old.fingerprint,
            }
            self._audit.record(tx, session, "key.rotated", row, details)
            row = self._states.start_version(tx, row)
            return self._states.record_probe(tx, session, row, probe, "rotate")

        await self._usage.flush(session, params.key_id)
        row = await self._vault.transaction(write)
        notify_key_changed(session, row, "rotated", state=row.state)
        return KeyStoreResult(key=key_info(row), probe=probe, notes=parsed.notes)

    async def list(self, session: Session, params: KeyListParams) -> KeyListResult:
        listing = await self._vault.read(
            lambda tx: keys.list_keys(tx, session.account, params.provider)
        )
        rows, next_cursor = page(listing.rows, params.cursor, params.limit)
        running = self._running_chats()
        items = (
            ListedKey(**dict(key_info(row)), running_chats=running.get(row.key_id, 0))
            for row in rows
        )
        return KeyListResult(items=tuple(items), next_cursor=next_cursor)

    async def probe(self, session: Session, params: KeyProbeParams) -> KeyProbeResult:
        """Probe a stored key or a candidate.

        Raises:
            Conflict: the key was stored for another origin.
        """
        if params.key_id is not None:
            return await self._probe_stored(session, params.key_id)
        parsed = parse_key(
            session,
            self._providers.get(params.provider or "", session),
            params.fields,
            self._sealing,
            SealContext("key/probe", params.provider, None, params.base_url),
            base_url=params.base_url,
            allow_insecure=params.allow_insecure_origin,
        )
        probe = await self._prober.probe(parsed.candidate, fresh=True)
        return KeyProbeResult(probe=_with_request(probe))

    async def disable(self, session: Session, params: KeyIdParams) -> KeyResult:
        return KeyResult(key=key_info(await self._states.disable(session, params.key_id)))

    async def enable(self, session: Session, params: KeyEnableParams) -> KeyEnableResult:
        """Make a key usable; with `probe`, only if the provider does not refuse it.

        Raises:
            KeyInvalid: the provider refuses the key.
            Conflict: the key was stored for another origin.
        """
        probe = None
        if params.probe:
            row = await self._row(session, params.key_id)
            probe = await self._stored_prober.probe(session, row)
            if probe.verdict in REFUSED:
                await self._states.save_probe(session, row, probe, "enable")
                raise refusal(self._providers.get(row.provider, session), probe)
        row = await self._states.enable(session, params.key_id, probe)
        return KeyEnableResult(key=key_info(row), probe=probe)

    async def delete(self, session: Session, params: KeyIdParams) -> KeyDeleteResult:
        """Delete a key; one whose row was removed from outside is recorded as deleted, too."""

        def write(tx: VaultTx) -> KeyFacts:
            facts = keys.delete(tx, session.account, params.key_id)
            self._audit.record(tx, session, "key.deleted", facts)
            return facts

        def write_missing(tx: VaultTx) -> KeyFacts:
            facts = keys.delete_missing(tx, session.account, params.key_id)
            self._audit.record(tx, session, "key.deleted", facts, {"cause": INTEGRITY})
            return facts

        await self._usage.flush(session, params.key_id)
        try:
            facts = await self._vault.transaction(write, urgent=True)
        except NotFound:
            await self._audit.check(ChainChecker())  # finds the rows that are missing
            facts = await self._vault.transaction(write_missing)
        with suppress(ByokdError):  # a cached model list is never shown without its key
            await self._model_cache.forget(session.account, facts.key_id)
        notify_key_changed(session, facts, "deleted", state=None)
        await self._backups.purge()
        return KeyDeleteResult(key_id=facts.key_id)

    async def set_default(self, session: Session, params: KeyIdParams) -> KeyResult:
        def write(tx: VaultTx) -> KeyRow:
            before = keys.get(tx, session.account, params.key_id)
            row = keys.set_default(tx, session.account, params.key_id)
            if not before.is_default or before.distrusted:
                self._audit.record(tx, session, "key.default_set", row)
            return row

        row = await self._vault.transaction(write)
        notify_key_changed(session, row, "defaultSet", state=row.state)
        return KeyResult(key=key_info(row))

    async def set_label(self, session: Session, params: KeySetLabelParams) -> KeyResult:
        """Name a key.

        Raises:
            Conflict: another key of the provider has this label.
            InvalidParams: the label has a character that is not shown.
        """
        label = checked_label(params.label)

        def write(tx: VaultTx) -> tuple[KeyRow, bool]:
            before = keys.get(tx, session.account, params.key_id)
            row = keys.set_label(tx, session.account, params.key_id, label)
            changed = row.label != before.label
            if changed:
                self._audit.record(tx, session, "key.label_set", row)
            return row, changed

        row, changed = await self._vault.transaction(write)
        if changed:
            notify_key_changed(session, row, "labelSet", state=row.state, reason=row.reason)
        return KeyResult(key=key_info(row))

    async def _row(self, session: Session, key_id: str) -> KeyRow:
        return await self._vault.read(lambda tx: keys.get(tx, session.account, key_id))

    async def _probe_stored(self, session: Session, key_id: str) -> KeyProbeResult:
        row = await self._row(session, key_id)
        probe = await self._stored_prober.probe(session, row)
        after = await self._states.save_probe(session, row, probe, "request")
        if row.state == "suspect" and after.state == "active":
            notify_key_changed(session, after, "enabled", state="active")
        if after.state != "softDisabled" or probe.verdict not in ACCEPTED:
            return KeyProbeResult(probe=_with_request(probe, "store the key again with it as"))
        self._background.start(self._offer_enable(session, after))
        action = EnableKeyAction(key_id=key_id, details={"keyId": key_id})
        return KeyProbeResult(probe=probe, action=action)

    async def _offer_enable(self, session: Session, row: KeyRow) -> None:
        name = self._providers.name_of(row.provider)
        if await prompts.ask_about_accepted(session, row, name):
            await self._states.enable_if_unchanged(session, row)

    async def _probe_new(self, candidate: Candidate, policy: ProbePolicy) -> ProbeResult | None:
        if policy == "skip":
            return None
        probe = await self._prober.probe(candidate)
        if policy in {"require", "requireAnswer"} and probe.verdict in REFUSED:
            raise refusal(candidate.record, probe)
        if policy == "requireAnswer" and probe.verdict == "unreachable":
            raise not_asked(candidate.record, probe)
        return probe


def _base_url_in(probe: ProbeResult | None) -> str | None:
    """Return the base URL under which a probe met the API, if it is not the one it was given."""
    base_url = probe.details.get("baseUrl") if probe is not None else None
    return base_url if isinstance(base_url, str) else None


def _with_request(probe: ProbeResult, what: str = "use it as") -> ProbeResult:
    """Add what to do about another base URL, where nothing is stored with it."""
    if _base_url_in(probe) is None:
        return probe
    return probe.model_copy(update={"message": f"{probe.message}: {what} baseUrl"})


def refusal(provider: Provider, probe: ProbeResult) -> KeyInvalid:
    return KeyInvalid(
        probe.message,
        provider=provider.id,
        http_status=probe.http_status,
        action=action_for("keyInvalid", provider),
        details={"verdict": probe.verdict},
    )


def not_asked(provider: Provider, probe: ProbeResult) -> ByokdError:
    """Return the error of a probe that did not reach the provider, with the kind of its cause."""
    kind = probe.details.get("kind")
    error = next((BY_KIND[known] for known in BY_KIND if known == kind), NetworkFailed)
    return error(
        probe.message,
        provider=provider.id,
        http_status=probe.http_status,
        details=dict(probe.details) | {"verdict": probe.verdict},
    )


def key_info(row: KeyRow) -> KeyInfo:
    return KeyInfo(
        key_id=row.key_id,
        provider=row.provider,
        label=row.label,
        is_default=row.is_default,
        origin=row.origin,
        base_url=row.base_url,
        allow_insecure_origin=row.allow_insecure,
        last4=row.last4,
        fingerprint=row.fingerprint,
        fields=dict(row.fields),
        state="softDisabled" if row.distrusted else row.state,
        reason=INTEGRITY if row.distrusted else row.reason,
        version=row.version,
        created_at=row.created_at,
        rotated_at=row.rotated_at,
        last_used_at=row.last_used_at,
        disabled_at=row.disabled_at,
    )
