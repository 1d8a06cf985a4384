"""Changes the state of stored keys, each change with its audit entry."""

from __future__ import annotations

from contextlib import suppress

from byokd.protocol.base import JsonObject
from byokd.protocol.errors import ByokdError
from byokd.protocol.key import ProbeResult
from byokd.services.audit.service import AuditService
from byokd.services.audit.usage_recorder import UsageRecorder
from byokd.services.health.policy import ACCEPTED, Health, accepted, renewed, to_row
from byokd.services.health.stored import health_of
from byokd.services.keys.notifications import notify_key_changed
from byokd.services.runtime.clock import now_ms, steady_ms
from byokd.services.runtime.session import Session
from byokd.vault import KeyRow, Vault, VaultTx, keys


class KeyStates:
    """Methods that take a `VaultTx` run in the caller's transaction; the others open one."""

    def __init__(self, vault: Vault, audit: AuditService, usage: UsageRecorder) -> None:
        self._vault = vault
        self._audit = audit
        self._usage = usage

    async def disable(self, session: Session, key_id: str) -> KeyRow:
        def write(tx: VaultTx) -> tuple[KeyRow, bool]:
            row = keys.get(tx, session.account, key_id)
            if row.state == "userDisabled":
                return row, False
            return self.switch_off(tx, session, key_id), True

        await self._usage.flush(session, key_id)
        row, changed = await self._vault.transaction(write, urgent=True)
        if changed:
            notify_key_changed(session, row, "userDisabled", state=row.state, reason=row.reason)
        return row

    async def enable(self, session: Session, key_id: str, probe: ProbeResult | None) -> KeyRow:
        await self._usage.flush(session, key_id)
        row, changed = await self._vault.transaction(
            lambda tx: self._activate(tx, session, key_id, probe)
        )
        if changed:
            notify_key_changed(session, row, "enabled", state=row.state)
        return row

    async def enable_if_unchanged(self, session: Session, row: KeyRow) -> None:
        """Enable a soft-disabled key after a prompt, unless it changed meanwhile.

        A store failure is ignored: the person can enable the key from the list.
        """

        def write(tx: VaultTx) -> KeyRow | None:
            current = keys.get(tx, session.account, row.key_id)
            if (current.state, current.version) != ("softDisabled", row.version):
                return None
            return self._activate(tx, session, row.key_id, None)[0]

        with suppress(ByokdError):
            after = await self._vault.transaction(write)
            if after is not None:
                notify_key_changed(session, after, "enabled", state=after.state)

    async def save_probe(
        self, session: Session, row: KeyRow, probe: ProbeResult, cause: str
    ) -> KeyRow:
        return await self._vault.transaction(
            lambda tx: self.record_probe(tx, session, row, probe, cause)
        )

    def start_version(self, tx: VaultTx, row: KeyRow) -> KeyRow:
        health = to_row(Health(fresh_since=steady_ms()))
        keys.set_health(tx, row.account, row.key_id, version=row.version, health=health)
        return keys.get(tx, row.account, row.key_id)

    def switch_off(self, tx: VaultTx, session: Session, key_id: str) -> KeyRow:
        row = keys.set_state(
            tx, session.account, key_id, to="userDisabled", reason="user", at=now_ms()
        )
        self._audit.record(tx, session, "key.user_disabled", row)
        return row

    def record_probe(
        self, tx: VaultTx, session: Session, row: KeyRow, probe: ProbeResult | None, cause: str
    ) -> KeyRow:
        """Record a probe; an accepted key is not suspect any more."""
        if probe is None:
            return row
        details: JsonObject = {
            "verdict": probe.verdict,
            "httpStatus": probe.http_status,
            "cause": cause,
        }
        self._audit.record(tx, session, "key.probe", row, details)
        if probe.verdict not in ACCEPTED:
            return row
        return self._accept(tx, session, row)

    def _accept(self, tx: VaultTx, session: Session, row: KeyRow) -> KeyRow:
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

    def _activate(
        self, tx: VaultTx, session: Session, key_id: str, probe: ProbeResult | None
    ) -> tuple[KeyRow, bool]:
        """Set the state `active`; also returns whether that changed anything."""
        before = keys.get(tx, session.account, key_id)
        row = self.record_probe(tx, session, before, probe, "enable")
        if before.state == "active" and not before.distrusted:
            return row, False
        now = steady_ms()
        health = renewed(health_of(row), now)
        if probe is not None and probe.verdict in ACCEPTED:
            health = accepted(health, now)
        row = keys.set_state(
            tx, session.account, key_id, to="active", at=now_ms(), health=to_row(health)
        )
        self._audit.record(tx, session, "key.reenabled", row, {"from": before.state})
        return row, True
