"""Disables a key that its provider keeps rejecting, and prompts the person.

The confirming probe is scheduled in the store: if its process ends, the next use in any process
schedules another. Only the process that disables a key prompts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import uniform
from typing import Final

import anyio

from byokd.catalog.record import HealthClass
from byokd.core.settings import HealthPolicy
from byokd.protocol.base import JsonObject
from byokd.protocol.errors import ByokdError, NotFound
from byokd.protocol.key import KeyState
from byokd.services.audit.service import AuditService
from byokd.services.audit.usage_recorder import UsageRecorder
from byokd.services.health import prompts
from byokd.services.health.policy import (
    Health,
    Observation,
    Step,
    confirm,
    observe,
    repeat_ms,
    to_row,
)
from byokd.services.health.stored import evidence_of, health_of
from byokd.services.keys.notifications import notify_key_changed
from byokd.services.keys.state import KeyStates
from byokd.services.keys.stored_probe import StoredKeyProber
from byokd.services.runtime.background import Background
from byokd.services.runtime.clock import now_ms, steady_ms
from byokd.services.runtime.session import Session
from byokd.vault import KeyRow, Vault, VaultTx, keys

REJECTED: Final = "rejected"
"""The reason of a soft-disabled key in `key/list`."""


class HealthMonitor:
    """Applies the health policy to stored keys; tests replace `clock` (ms) and `sleep` (s).

    `name_of` returns a provider's name for people.
    """

    def __init__(
        self,
        vault: Vault,
        audit: AuditService,
        usage: UsageRecorder,
        background: Background,
        policy: HealthPolicy,
        prober: StoredKeyProber,
        states: KeyStates,
        *,
        name_of: Callable[[str], str],
        clock: Callable[[], int] = steady_ms,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._vault = vault
        self._audit = audit
        self._usage = usage
        self._background = background
        self._policy = policy
        self._prober = prober
        self._states = states
        self._name_of = name_of
        self._clock = clock
        self._sleep = sleep

    async def observe(
        self, session: Session, row: KeyRow, observation: Observation, *, started_at: int
    ) -> None:
        """Count an answer about a key, and that the key was used.

        A store failure is ignored. `row` and `started_at` (`steady_ms`) are from the beginning of
        the call.
        """

        def read(tx: VaultTx) -> KeyRow:
            return self._current(tx, row) or row

        def write(tx: VaultTx) -> tuple[KeyRow | None, Step]:
            keys.record_use(tx, row.account, row.key_id, at=now_ms())
            return self._count(tx, row, observation, started_at)

        try:
            # The key may have changed during the call: only its present state tells whether the
            # answer changes anything.
            present = await self._vault.read(read)
            counts = self._step(present, observation, started_at)[1] != "nothing"
            if not counts and not keys.use_needs_recording(present, at=now_ms()):
                return
            after, step = await self._vault.transaction(write)
        except ByokdError:
            return
        if after is None:
            return
        if step == "suspect":
            notify_key_changed(session, after, "suspect", state="suspect")
        elif step == "cleared":
            notify_key_changed(session, after, "enabled", state="active")
        if step in {"suspect", "resumed"}:
            self._background.start(self._confirm(session, after))

    def repeat_ms(self, row: KeyRow, health: HealthClass) -> int | None:
        """Return the delay before a rejected call is tried once more, or None."""
        return repeat_ms(health_of(row), health, now=self._clock(), policy=self._policy)

    def _step(self, row: KeyRow, observation: Observation, started_at: int) -> tuple[Health, Step]:
        policy = self._policy
        delay_ms = round(uniform(policy.probe_delay_min_ms, policy.probe_delay_max_ms))  # noqa: S311
        return observe(
            health_of(row),
            observation,
            started_at=started_at,
            now=self._clock(),
            delay_ms=delay_ms,
            policy=policy,
        )

    def _count(
        self, tx: VaultTx, row: KeyRow, observation: Observation, started_at: int
    ) -> tuple[KeyRow | None, Step]:
        current = self._current(tx, row)
        if current is None:
            return None, "nothing"
        health, step = self._step(current, observation, started_at)
        if step == "nothing":
            return None, step
        return self._save(tx, current, health), step

    def _save(self, tx: VaultTx, row: KeyRow, health: Health) -> KeyRow:
        state: KeyState = "suspect" if health.suspect else "active"
        return keys.set_state(
            tx, row.account, row.key_id, to=state, at=now_ms(), health=to_row(health)
        )

    async def _confirm(self, session: Session, row: KeyRow) -> None:
        step: Step = "reprobe"
        while step == "reprobe":
            await self._sleep(max(0, health_of(row).probe_at - self._clock()) / 1000)
            try:
                row, step = await self._probe_and_decide(session, row)
            except ByokdError:
                return  # the store fails; the probe becomes overdue, and the next use starts one
        if step == "cleared":
            notify_key_changed(session, row, "enabled", state="active")
        elif step == "disable":
            notify_key_changed(session, row, "softDisabled", state="softDisabled", reason=REJECTED)
            if await prompts.ask_about_disabled(session, row, self._name_of(row.provider)):
                await self._states.enable_if_unchanged(session, row)

    async def _probe_and_decide(self, session: Session, row: KeyRow) -> tuple[KeyRow, Step]:
        """Return the key afterwards and the step."""
        if await self._vault.read(lambda tx: self._current_probe(tx, row)) is None:
            return row, "nothing"  # a key that is disabled by now makes no network call
        probe = await self._prober.probe_if_possible(session, row)

        def decide(tx: VaultTx) -> tuple[KeyRow, Step]:
            current = self._current_probe(tx, row)
            if current is None or probe is None:
                return row, "nothing"
            health, step = confirm(
                health_of(current), probe.verdict, now=self._clock(), policy=self._policy
            )
            details: JsonObject = {
                "verdict": probe.verdict,
                "httpStatus": probe.http_status,
                "cause": "confirmation",
            }
            self._audit.record(tx, session, "key.probe", current, details)
            if step != "disable":
                return self._save(tx, current, health), step
            disabled = keys.set_state(
                tx,
                row.account,
                row.key_id,
                to="softDisabled",
                reason=REJECTED,
                at=now_ms(),
                health=to_row(health),
            )
            self._audit.record(tx, session, "key.soft_disabled", disabled, evidence_of(disabled))
            return disabled, step

        await self._usage.flush(session, row.key_id)
        return await self._vault.transaction(decide, urgent=True)

    def _current_probe(self, tx: VaultTx, row: KeyRow) -> KeyRow | None:
        """Return the present row, or None if another process or a change replaced the probe."""
        current = self._current(tx, row)
        if current is None or current.state != "suspect":
            return None
        return current if health_of(current).probe_at == health_of(row).probe_at else None

    def _current(self, tx: VaultTx, row: KeyRow) -> KeyRow | None:
        """Return the present row, or None if it has another version, is disabled or deleted."""
        try:
            current = keys.get(tx, row.account, row.key_id)
        except NotFound:
            return None
        return current if current.version == row.version and current.usable else None
