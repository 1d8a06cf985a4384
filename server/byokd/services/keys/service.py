"""`key/…`: storing, probing, rotating, switching off and forgetting keys.

Knows the order: check the input, look that the vault is open, ask the provider, then change vault
and audit trail in one transaction, then tell. Must not know how a key is sealed or a question is
put to a provider. No method returns a secret.
"""

from __future__ import annotations

from contextlib import suppress

from byokd.audit.check import ChainChecker
from byokd.catalog.record import Provider
from byokd.crypto.seal import SealingKey
from byokd.model_cache import ModelCache
from byokd.protocol.base import JsonObject
from byokd.protocol.errors import Action, ByokdError, Conflict, KeyInvalid, NotFound, Unsupported
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
    KeyStoreParams,
    KeyStoreResult,
    ProbePolicy,
    ProbeResult,
)
from byokd.services.audit.service import AuditService
from byokd.services.error_actions import action_for
from byokd.services.health import prompts
from byokd.services.health.monitor import health_of, tell
from byokd.services.health.policy import ACCEPTED, REFUSED, Health, accepted, renewed, to_row
from byokd.services.keys.credentials import INTEGRITY, grant_of
from byokd.services.keys.input import ParsedKey, SealContext, parse_key, stands_elsewhere
from byokd.services.keys.prober import Candidate, Prober
from byokd.services.providers import ProviderService
from byokd.services.runtime.background import Background
from byokd.services.runtime.clock import now_ms, steady_ms
from byokd.services.runtime.paging import page
from byokd.services.runtime.session import Session
from byokd.services.vault.backups import BackupService
from byokd.services.vault.service import VaultService
from byokd.vault import KeyFacts, KeyRow, NewKey, Vault, VaultTx, keys


class KeyService:
    """A person's keys, over the vault."""

    def __init__(
        self,
        providers: ProviderService,
        vault: Vault,
        trail: AuditService,
        desk: VaultService,
        prober: Prober,
        sealing: SealingKey,
        lists: ModelCache,
        backups: BackupService,
        background: Background,
    ) -> None:
        self._backups = backups
        self._background = background
        self._lists = lists
        self._providers = providers
        self._vault = vault
        self._trail = trail
        self._desk = desk
        self._prober = prober
        self._sealing = sealing

    async def store(self, session: Session, params: KeyStoreParams) -> KeyStoreResult:
        """Probe a new key and store it unless it is known bad.

        Raises:
            InvalidParams: the input does not fit; pointers say where.
            KeyInvalid: `probe` is `require` and the provider does not accept the key.
            VaultError: keys cannot be stored on this machine; nothing was asked of the provider.
        """
        provider = self._providers.get(params.provider, session)
        asked = SealContext("key/store", params.provider, None, params.base_url)
        taken = parse_key(
            session,
            provider,
            params.fields,
            self._sealing,
            asked,
            base_url=params.base_url,
            allow_insecure=params.allow_insecure_origin,
        )
        await self._desk.ready(session)
        new = NewKey(
            provider=provider.id,
            origin=taken.address.origin,
            fields=taken.fields,
            label=params.label,
            base_url=taken.address.own,
            allow_insecure=params.allow_insecure_origin,
            make_default=params.make_default,
        )
        return await self.store_new(session, taken, new, params.probe, cause="store")

    async def store_new(
        self,
        session: Session,
        taken: ParsedKey,
        new: NewKey,
        policy: ProbePolicy,
        *,
        cause: str,
        disabled: bool = False,
    ) -> KeyStoreResult:
        """Probe and store a key that was checked; `cause` is what the audit trail says.

        With `disabled` the person switched it off where it comes from, and it is never on here.

        Raises:
            KeyInvalid: the policy is `require` and the provider does not accept the key.
            VaultError: the vault is not open, or the disk refuses.
        """
        probe = await self._asked(taken.candidate, policy)

        def write(tx: VaultTx) -> KeyRow:
            row = keys.put(tx, session.account, new, at=now_ms())
            details: JsonObject = {"origin": row.origin, "allowInsecureOrigin": row.allow_insecure}
            self._trail.note(tx, session, "key.created", row, details | {"cause": cause})
            row = self._probed(tx, session, self._fresh(tx, row), probe, cause)
            return self._switched_off(tx, session, row.key_id) if disabled else row

        row = await self._vault.transaction(write)
        tell(session, row, "stored", state=row.state, reason=row.reason)
        return KeyStoreResult(key=shown(row), probe=probe, notes=taken.notes)

    async def rotate(self, session: Session, params: KeyRotateParams) -> KeyStoreResult:
        """Replace the secret of a key; its id, label and origin stay.

        Raises:
            NotFound: no such key.
            InvalidParams, KeyInvalid, VaultError: as `store`.
        """
        old = await self._row(session, params.key_id)
        provider = self._providers.get(old.provider, session)
        kept: Fields = {name: value for name, value in old.fields.items() if value is not None}
        asked = SealContext("key/rotate", params.provider, params.key_id, params.base_url)
        taken = parse_key(
            session,
            provider,
            kept | params.fields,
            self._sealing,
            asked,
            base_url=params.base_url or old.base_url,
            allow_insecure=old.allow_insecure,
        )
        goes = taken.address
        if (
            provider.id != (params.provider or provider.id)
            or (goes.origin, goes.own) != (old.origin, old.base_url)
            or stands_elsewhere(provider, old.base_url, old.fields, taken.fields)
        ):
            raise Conflict(
                "this would be a key for another provider or address; store it as another key"
            )
        probe = await self._asked(taken.candidate, params.probe)

        def write(tx: VaultTx) -> KeyRow:
            row = keys.rotate(tx, session.account, params.key_id, taken.fields, at=now_ms())
            details: JsonObject = {
                "fingerprint": row.fingerprint,
                "previousFingerprint": old.fingerprint,
            }
            self._trail.note(tx, session, "key.rotated", row, details)
            return self._probed(tx, session, self._fresh(tx, row), probe, "rotate")

        await self._trail.settle(params.key_id)
        row = await self._vault.transaction(write)
        tell(session, row, "rotated", state=row.state)
        return KeyStoreResult(key=shown(row), probe=probe, notes=taken.notes)

    async def list(self, session: Session, params: KeyListParams) -> KeyListResult:
        """Return a page of keys, never a secret."""
        listing = await self._vault.read(
            lambda tx: keys.list_keys(tx, session.account, params.provider)
        )
        rows, next_cursor = page(listing.rows, params.cursor, params.limit)
        return KeyListResult(items=tuple(shown(row) for row in rows), next_cursor=next_cursor)

    async def probe(self, session: Session, params: KeyProbeParams) -> KeyProbeResult:
        """Ask the provider about a stored key, whatever its state, or about a candidate.

        Raises:
            Conflict: the provider's record leads to an origin that the key was not stored for.
        """
        if params.key_id is not None:
            return await self._probe_stored(session, params.key_id)
        provider = self._providers.get(params.provider or "", session)
        asked = SealContext("key/probe", params.provider, None, params.base_url)
        taken = parse_key(
            session,
            provider,
            params.fields,
            self._sealing,
            asked,
            base_url=params.base_url,
            allow_insecure=params.allow_insecure_origin,
        )
        return KeyProbeResult(probe=await self._prober.ask(taken.candidate, fresh=True))

    async def _probe_stored(self, session: Session, key_id: str) -> KeyProbeResult:
        """Probe a stored key; offer to use it again where it was rejected and is accepted now."""
        row = await self._row(session, key_id)
        probe = await self._prober.ask(await self._candidate(session, row), fresh=True)
        after = await self._vault.transaction(
            lambda tx: self._probed(tx, session, row, probe, "request")
        )
        if row.state == "suspect" and after.state == "active":
            tell(session, after, "enabled", state="active")
        if after.state != "softDisabled" or probe.verdict not in ACCEPTED:
            return KeyProbeResult(probe=probe)
        self._background.start(self._offer(session, after))
        action = Action(type="enableKey", details={"keyId": key_id})
        return KeyProbeResult(probe=probe, action=action)

    async def _offer(self, session: Session, row: KeyRow) -> None:
        if await prompts.about_accepted(session, row):
            await self.re_enable(session, row)

    async def disable(self, session: Session, params: KeyIdParams) -> KeyResult:
        """Stop using a key until it is enabled; nothing automatic ever changes that."""

        def write(tx: VaultTx) -> tuple[KeyRow, bool]:
            row = keys.get(tx, session.account, params.key_id)
            if row.state == "userDisabled":
                return row, False
            return self._switched_off(tx, session, params.key_id), True

        await self._trail.settle(params.key_id)
        row, changed = await self._vault.transaction(write, urgent=True)
        if changed:
            tell(session, row, "userDisabled", state=row.state, reason=row.reason)
        return KeyResult(key=shown(row))

    def _switched_off(self, tx: VaultTx, session: Session, key_id: str) -> KeyRow:
        row = keys.set_state(
            tx, session.account, key_id, to="userDisabled", reason="user", at=now_ms()
        )
        self._trail.note(tx, session, "key.user_disabled", row)
        return row

    async def enable(self, session: Session, params: KeyEnableParams) -> KeyEnableResult:
        """Use a disabled key again; with `probe`, only if the provider does not reject it.

        Raises:
            KeyInvalid: a probe was asked for and the provider does not accept the key.
            Conflict: a probe was asked for and cannot be made: the provider's record has moved.
        """
        row = await self._row(session, params.key_id)
        probe = None
        if params.probe:
            probe = await self._prober.ask(await self._candidate(session, row), fresh=True)
            if probe.verdict in REFUSED:
                await self._vault.transaction(
                    lambda tx: self._probed(tx, session, row, probe, "enable")
                )
                raise refusal(self._providers.get(row.provider, session), probe)
        await self._trail.settle(params.key_id)
        row, changed = await self._vault.transaction(
            lambda tx: self._enabled(tx, session, params.key_id, probe)
        )
        if changed:
            tell(session, row, "enabled", state=row.state)
        return KeyEnableResult(key=shown(row), probe=probe)

    async def re_enable(self, session: Session, row: KeyRow) -> None:
        """Enable a key because the person said so in a prompt, if it still is what was asked about.

        A prompt may stand open for long: a key that was replaced, deleted or switched off since
        stays as it is.
        """

        def write(tx: VaultTx) -> KeyRow | None:
            current = keys.get(tx, session.account, row.key_id)
            if (current.state, current.version) != ("softDisabled", row.version):
                return None
            return self._enabled(tx, session, row.key_id, None)[0]

        with suppress(ByokdError):  # the button is still there in the list of keys
            after = await self._vault.transaction(write)
            if after is not None:
                tell(session, after, "enabled", state=after.state)

    async def delete(self, session: Session, params: KeyIdParams) -> KeyDeleteResult:
        """Forget a key: its row is overwritten, the audit trail keeps that it was there.

        One whose row was removed from outside is recorded as gone, and not missed any more.
        """

        def write(tx: VaultTx) -> KeyFacts:
            gone = keys.delete(tx, session.account, params.key_id)
            self._trail.note(tx, session, "key.deleted", gone)
            return gone

        def give_up(tx: VaultTx) -> KeyFacts:
            gone = keys.delete_missing(tx, session.account, params.key_id)
            self._trail.note(tx, session, "key.deleted", gone, {"cause": INTEGRITY})
            return gone

        await self._trail.settle(params.key_id)
        try:
            gone = await self._vault.transaction(write, urgent=True)
        except NotFound:
            await self._trail.check(ChainChecker())  # which finds out what is missing
            gone = await self._vault.transaction(give_up)
        with suppress(ByokdError):  # the key is gone, and no list of it is shown without it
            await self._lists.forget(session.account, gone.key_id)
        tell(session, gone, "deleted", state=None)
        await self._backups.purge()
        return KeyDeleteResult(key_id=gone.key_id)

    async def set_default(self, session: Session, params: KeyIdParams) -> KeyResult:
        """Use this key where a call names none."""

        def write(tx: VaultTx) -> KeyRow:
            before = keys.get(tx, session.account, params.key_id)
            row = keys.set_default(tx, session.account, params.key_id)
            if not before.is_default:
                self._trail.note(tx, session, "key.default_set", row)
            return row

        row = await self._vault.transaction(write)
        tell(session, row, "defaultSet", state=row.state)
        return KeyResult(key=shown(row))

    async def ask_fresh(self, session: Session, row: KeyRow) -> ProbeResult | None:
        """Probe a stored key on a new connection; None where it is gone, or its provider moved."""
        try:
            return await self._prober.ask(await self._candidate(session, row), fresh=True)
        except (NotFound, Unsupported, Conflict):
            return None

    async def _row(self, session: Session, key_id: str) -> KeyRow:
        return await self._vault.read(lambda tx: keys.get(tx, session.account, key_id))

    async def _candidate(self, session: Session, row: KeyRow) -> Candidate:
        provider = self._providers.get(row.provider, session)
        opened = await self._vault.read(lambda tx: keys.open_key(tx, session.account, row.key_id))
        return grant_of(provider, opened).candidate

    async def _asked(self, candidate: Candidate, policy: ProbePolicy) -> ProbeResult | None:
        """Probe as the policy says; `require` refuses a key that is known bad."""
        if policy == "skip":
            return None
        probe = await self._prober.ask(candidate)
        if policy == "require" and probe.verdict in REFUSED:
            raise refusal(candidate.record, probe)
        return probe

    def _probed(
        self, tx: VaultTx, session: Session, row: KeyRow, probe: ProbeResult | None, cause: str
    ) -> KeyRow:
        """Write what a probe said: to the audit trail, and what an acceptance ends."""
        if probe is None:
            return row
        details: JsonObject = {"verdict": probe.verdict, "httpStatus": probe.http_status}
        self._trail.note(tx, session, "key.probe", row, details | {"cause": cause})
        if probe.verdict not in ACCEPTED:
            return row
        return self._accept(tx, session, row)

    def _fresh(self, tx: VaultTx, row: KeyRow) -> KeyRow:
        """Begin to remember a version that was just stored, by the clock that never jumps."""
        health = to_row(Health(fresh_since=steady_ms()))
        keys.set_health(tx, row.account, row.key_id, version=row.version, health=health)
        return keys.get(tx, row.account, row.key_id)

    def _accept(self, tx: VaultTx, session: Session, row: KeyRow) -> KeyRow:
        """Remember that the provider accepted this version; a suspect key is not suspect then."""
        current = keys.get(tx, session.account, row.key_id)
        if current.version != row.version:
            return current
        health = to_row(accepted(health_of(current), steady_ms()))
        if current.state == "suspect":
            return keys.set_state(
                tx, session.account, row.key_id, to="active", at=now_ms(), health=health
            )
        keys.set_health(tx, session.account, row.key_id, version=row.version, health=health)
        return keys.get(tx, session.account, row.key_id)

    def _enabled(
        self, tx: VaultTx, session: Session, key_id: str, probe: ProbeResult | None
    ) -> tuple[KeyRow, bool]:
        before = keys.get(tx, session.account, key_id)
        row = self._probed(tx, session, before, probe, "enable")
        if before.state == "active" and not before.distrusted:
            return row, False
        now = steady_ms()
        fresh = renewed(health_of(row), now)
        if probe is not None and probe.verdict in ACCEPTED:
            fresh = accepted(fresh, now)
        row = keys.set_state(
            tx, session.account, key_id, to="active", at=now_ms(), health=to_row(fresh)
        )
        self._trail.note(tx, session, "key.reenabled", row, {"from": before.state})
        return row, True


def refusal(provider: Provider, probe: ProbeResult) -> KeyInvalid:
    """Return the error for a key that its provider does not accept."""
    return KeyInvalid(
        probe.message,
        provider=provider.id,
        http_status=probe.http_status,
        action=action_for("keyInvalid", provider),
        details={"verdict": probe.verdict},
    )


def shown(row: KeyRow) -> KeyInfo:
    """Return what is told about a stored key."""
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
