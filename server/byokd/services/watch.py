"""Takes a key out of use when its provider keeps rejecting it, and asks the person what to do.

Knows the store, the probe and the client; the counting itself is `services/health.py`, which is
pure. Only the process whose call triggered it asks; the others are told of the new state
(`changes`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from random import uniform
from typing import Final, TypeAlias

import anyio

from byokd.catalog.record import HealthClass
from byokd.keepers.vault import KeyFacts, KeyRow, Vault, VaultTx, keys
from byokd.protocol.base import JsonObject
from byokd.protocol.errors import ByokdError, NotFound
from byokd.protocol.key import Change, KeyChanged, KeyState, ProbeResult
from byokd.protocol.lifecycle import MessageAction, ShowMessageRequest
from byokd.services.background import Background
from byokd.services.clock import now_ms
from byokd.services.health import Health, Step, confirm, observe
from byokd.services.session import KnownKey, Session
from byokd.services.trail import Trail
from byokd.settings import HealthPolicy

UPDATE: Final = "Update key"
RE_ENABLE: Final = "Re-enable"
DISMISS: Final = "Dismiss"
REJECTED: Final = "rejected"
"""The reason of a soft-disabled key, as `key/list` tells it."""

_WARNING = 2  # LSP's MessageType

AskFresh: TypeAlias = Callable[[Session, KeyRow], Awaitable[ProbeResult | None]]
"""Probe a stored key on a new connection; None where it is no longer there to be probed."""

Enable: TypeAlias = Callable[[Session, str], Awaitable[None]]
"""Do what the person chose in the prompt."""


class Watch:
    """One watch over all keys of the process."""

    def __init__(
        self,
        vault: Vault,
        trail: Trail,
        background: Background,
        policy: HealthPolicy,
        *,
        ask: AskFresh,
        enable: Enable,
    ) -> None:
        self._vault = vault
        self._trail = trail
        self._background = background
        self._policy = policy
        self._ask = ask
        self._enable = enable

    async def observe(
        self, session: Session, row: KeyRow, seen: HealthClass, *, started_at: int
    ) -> None:
        """Count what one answer said about the key it was made with, and that it was used.

        A failure of the store is not the chat's failure: the next answer says the same again.
        """
        counts = self._step(row, seen, started_at)[1] != "nothing"
        if not counts and not keys.use_is_news(row, at=now_ms()):
            return

        def write(tx: VaultTx) -> Step:
            keys.note_used(tx, row.account, row.key_id, at=now_ms())
            return self._count(tx, row, seen, started_at) if counts else "nothing"

        try:
            step = await self._vault.transaction(write)
        except ByokdError:
            return
        if step == "suspect":
            tell(session, row, "suspect", state="suspect")
            self._background.start(self._confirm(session, row))
        elif step == "cleared" and row.state == "suspect":
            tell(session, row, "enabled", state="active")

    def _step(self, row: KeyRow, seen: HealthClass, started_at: int) -> tuple[Health, Step]:
        return observe(
            health_of(row), seen, started_at=started_at, now=now_ms(), policy=self._policy
        )

    def _count(self, tx: VaultTx, row: KeyRow, seen: HealthClass, started_at: int) -> Step:
        current = self._still(tx, row)
        if current is None:
            return "nothing"
        health, step = self._step(current, seen, started_at)
        if step == "nothing":
            return step
        state: KeyState = current.state
        if step in {"suspect", "cleared"}:
            state = "suspect" if step == "suspect" else "active"
        keys.set_state(tx, row.account, row.key_id, to=state, at=now_ms(), health=asdict(health))
        return step

    async def _confirm(self, session: Session, row: KeyRow) -> None:
        """Ask the provider once more, later and on a new connection; again where it can't tell."""
        policy = self._policy
        delay_ms = uniform(policy.probe_delay_min_ms, policy.probe_delay_max_ms)  # noqa: S311
        step: Step = "reprobe"
        while step == "reprobe":
            await anyio.sleep(delay_ms / 1000)
            step, delay_ms = await self._ask_and_decide(session, row)
        if step == "cleared":
            tell(session, row, "enabled", state="active")
        elif step == "disable":
            tell(session, row, "softDisabled", state="softDisabled", reason=REJECTED)
            await self._prompt(session, row)

    async def _ask_and_decide(self, session: Session, row: KeyRow) -> tuple[Step, float]:
        probe = await self._ask(session, row)

        def decide(tx: VaultTx) -> tuple[Step, float]:
            current = self._still(tx, row)
            if current is None or probe is None:
                return "nothing", 0
            now = now_ms()
            health, step = confirm(health_of(current), probe.verdict, now=now, policy=self._policy)
            details: JsonObject = {"verdict": probe.verdict, "httpStatus": probe.http_status}
            self._trail.note(tx, session, "key.probe", current, details | {"cause": "confirmation"})
            if step == "disable":
                keys.set_state(
                    tx, row.account, row.key_id, to="softDisabled", reason=REJECTED, at=now
                )
                rejections: JsonObject = {"rejections": health.rejections}
                self._trail.note(tx, session, "key.soft_disabled", current, rejections)
            else:
                state: KeyState = "active" if step == "cleared" else current.state
                keys.set_state(tx, row.account, row.key_id, to=state, at=now, health=asdict(health))
            delays = self._policy.reprobe_delays_ms
            return step, delays[min(health.probes, len(delays)) - 1] if delays else 0

        return await self._vault.transaction(decide, urgent=True)

    def _still(self, tx: VaultTx, row: KeyRow) -> KeyRow | None:
        """Return the row as it is now, or None where the answer says nothing about it.

        A late answer may be about a version that was replaced, or a key that is out of use or gone.
        """
        try:
            current = keys.get(tx, row.account, row.key_id)
        except NotFound:
            return None
        return current if current.version == row.version and current.usable else None

    async def _prompt(self, session: Session, row: KeyRow) -> None:
        name = f"{row.provider} key" + (f" {row.label}" if row.label else "")
        request = ShowMessageRequest(
            type=_WARNING,
            message=f"The {name} was rejected repeatedly and is no longer used.",
            actions=tuple(MessageAction(title=title) for title in (UPDATE, RE_ENABLE, DISMISS)),
        )
        if await session.client.prompt(request) == RE_ENABLE:
            await self._enable(session, row.key_id)


def health_of(row: KeyRow) -> Health:
    """Return what is remembered; nothing yet for a version that was just stored."""
    return Health(**({"fresh_since": row.rotated_at or row.created_at} | dict(row.health)))


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
