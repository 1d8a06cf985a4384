"""Takes a key out of use when its provider keeps rejecting it, and asks the person what to do.

Knows the store, the probe and the client; the counting itself is `services/health.py`, which is
pure. Only the process whose call triggered it asks; the others are told of the new state
(`changes`).

The probe of a suspect key is planned in the store. When the process that planned it is gone, the
next use in any process plans another; of two that plan, the one whose time stands there asks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from random import uniform
from typing import Final, TypeAlias

import anyio

from byokd.catalog.record import HealthClass
from byokd.core.settings import HealthPolicy
from byokd.protocol.base import JsonObject
from byokd.protocol.errors import ByokdError, NotFound
from byokd.protocol.key import Change, KeyChanged, KeyState, ProbeResult
from byokd.services.audit.service import AuditService
from byokd.services.health import prompts
from byokd.services.health.policy import (
    Health,
    Observation,
    Step,
    confirm,
    observe,
    remembered,
    repeat_ms,
    to_row,
)
from byokd.services.runtime.background import Background
from byokd.services.runtime.clock import now_ms, steady_ms
from byokd.services.runtime.session import KnownKey, Session
from byokd.vault import KeyFacts, KeyRow, Vault, VaultTx, keys

REJECTED: Final = "rejected"
"""The reason of a soft-disabled key, as `key/list` tells it."""

AskFresh: TypeAlias = Callable[[Session, KeyRow], Awaitable[ProbeResult | None]]
"""Probe a stored key on a new connection; None where it is no longer there to be probed."""

Enable: TypeAlias = Callable[[Session, KeyRow], Awaitable[None]]
"""Do what the person chose in the prompt."""


class HealthMonitor:
    """One watch over all keys of the process."""

    def __init__(
        self,
        vault: Vault,
        trail: AuditService,
        background: Background,
        policy: HealthPolicy,
        *,
        ask: AskFresh,
        enable: Enable,
        clock: Callable[[], int] = steady_ms,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._vault = vault
        self._trail = trail
        self._background = background
        self._policy = policy
        self._ask = ask
        self._enable = enable
        self._clock = clock
        self._sleep = sleep

    async def observe(
        self, session: Session, row: KeyRow, seen: Observation, *, started_at: int
    ) -> None:
        """Count what one answer said about the key it was made with, and that it was used.

        A failure of the store is not the chat's failure: the next answer says the same again.

        Args:
            session: whose call it was; its client is asked if it comes to that.
            row: the key as it was when it was let into the call.
            seen: what the answer said.
            started_at: when the call began, by `steady_ms`.
        """

        def look(tx: VaultTx) -> KeyRow:
            return self._still(tx, row) or row

        def write(tx: VaultTx) -> tuple[KeyRow | None, Step]:
            keys.record_use(tx, row.account, row.key_id, at=now_ms())
            return self._count(tx, row, seen, started_at)

        try:
            # The key as it is now: what became of it during the call decides whether this is news.
            now = await self._vault.read(look)
            counts = self._step(now, seen, started_at)[1] != "nothing"
            if not counts and not keys.use_needs_recording(now, at=now_ms()):
                return
            after, step = await self._vault.transaction(write)
        except ByokdError:
            return
        if after is None:
            return
        if step == "suspect":
            tell(session, after, "suspect", state="suspect")
        elif step == "cleared":
            tell(session, after, "enabled", state="active")
        if step in {"suspect", "resumed"}:
            self._background.start(self._confirm(session, after))

    def repeat_ms(self, row: KeyRow, seen: HealthClass) -> int | None:
        """Return after what delay a call that was answered so is worth one more try, or None."""
        return repeat_ms(health_of(row), seen, now=self._clock(), policy=self._policy)

    def _step(self, row: KeyRow, seen: Observation, started_at: int) -> tuple[Health, Step]:
        policy = self._policy
        delay_ms = round(uniform(policy.probe_delay_min_ms, policy.probe_delay_max_ms))  # noqa: S311
        return observe(
            health_of(row),
            seen,
            started_at=started_at,
            now=self._clock(),
            delay_ms=delay_ms,
            policy=policy,
        )

    def _count(
        self, tx: VaultTx, row: KeyRow, seen: Observation, started_at: int
    ) -> tuple[KeyRow | None, Step]:
        current = self._still(tx, row)
        if current is None:
            return None, "nothing"
        health, step = self._step(current, seen, started_at)
        return (None, step) if step == "nothing" else (self._remember(tx, current, health), step)

    def _remember(self, tx: VaultTx, row: KeyRow, health: Health) -> KeyRow:
        state: KeyState = "suspect" if health.suspect else "active"
        return keys.set_state(
            tx, row.account, row.key_id, to=state, at=now_ms(), health=to_row(health)
        )

    async def _confirm(self, session: Session, row: KeyRow) -> None:
        """Ask the provider once more, when it is due; again where it cannot tell."""
        step: Step = "reprobe"
        while step == "reprobe":
            await self._sleep(max(0, health_of(row).probe_at - self._clock()) / 1000)
            try:
                row, step = await self._ask_and_decide(session, row)
            except ByokdError:
                return  # the store fails; the probe is overdue soon, and the next use asks
        if step == "cleared":
            tell(session, row, "enabled", state="active")
        elif step == "disable":
            tell(session, row, "softDisabled", state="softDisabled", reason=REJECTED)
            if await prompts.about_disabled(session, row):
                await self._enable(session, row)

    async def _ask_and_decide(self, session: Session, row: KeyRow) -> tuple[KeyRow, Step]:
        """Return the key as it is afterwards, and what was decided; `nothing` by another."""
        if await self._vault.read(lambda tx: self._ours(tx, row)) is None:
            return row, "nothing"  # a key that is out of use by now makes no network call
        probe = await self._ask(session, row)

        def decide(tx: VaultTx) -> tuple[KeyRow, Step]:
            current = self._ours(tx, row)
            if current is None or probe is None:
                return row, "nothing"
            before, now = health_of(current), self._clock()
            health, step = confirm(before, probe.verdict, now=now, policy=self._policy)
            details: JsonObject = {"verdict": probe.verdict, "httpStatus": probe.http_status}
            self._trail.note(tx, session, "key.probe", current, details | {"cause": "confirmation"})
            if step != "disable":
                return self._remember(tx, current, health), step
            disabled = keys.set_state(
                tx,
                row.account,
                row.key_id,
                to="softDisabled",
                reason=REJECTED,
                at=now_ms(),
                health=to_row(health),
            )
            self._trail.note(tx, session, "key.soft_disabled", disabled, evidence_of(disabled))
            return disabled, step

        await self._trail.settle(row.key_id)
        return await self._vault.transaction(decide, urgent=True)

    def _ours(self, tx: VaultTx, row: KeyRow) -> KeyRow | None:
        """Return the row as it is now, or None where it is not ours to decide about any more.

        The key may be accepted, replaced or out of use by now, and another process may have planned
        a probe of its own.
        """
        current = self._still(tx, row)
        if current is None or current.state != "suspect":
            return None
        return current if health_of(current).probe_at == health_of(row).probe_at else None

    def _still(self, tx: VaultTx, row: KeyRow) -> KeyRow | None:
        """Return the row as it is now, or None where the answer says nothing about it.

        A late answer may be about a version that was replaced, or a key that is out of use or gone.
        """
        try:
            current = keys.get(tx, row.account, row.key_id)
        except NotFound:
            return None
        return current if current.version == row.version and current.usable else None


def health_of(row: KeyRow) -> Health:
    """Return what is remembered; nothing yet for a version that was just stored."""
    fresh_since = row.rotated_at or row.created_at
    return remembered(row.health, fresh_since=fresh_since, suspect=row.state == "suspect")


def evidence_of(row: KeyRow) -> JsonObject:
    """Return what a soft-disabled key was taken out of use for."""
    health = health_of(row)
    return {
        "class": health.health or None,
        "httpStatus": health.http_status or None,
        "providerRequestId": health.request_id or None,
        "rejections": health.rejections,
    }


def tell(
    session: Session,
    row: KeyRow | KeyFacts,
    change: Change,
    *,
    state: KeyState | None,
    reason: str | None = None,
) -> None:
    """Send `key/changed` to this process's client, and remember what it knows by that."""
    if isinstance(row, KeyRow) and state is not None:
        session.known[row.key_id] = replace(KnownKey.of(row), state=state)
    else:
        session.known[row.key_id] = None
    session.client.notify(
        "key/changed",
        KeyChanged(
            key_id=row.key_id, provider=row.provider, change=change, state=state, reason=reason
        ),
    )
