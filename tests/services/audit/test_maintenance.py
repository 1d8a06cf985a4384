"""Uses of keys on their way into the audit trail, and the trail's mark: when each is due.

Knows a real house over a real store, and a clock that a test moves. Nothing here waits for time to
go by.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import anyio.lowlevel
import pytest

from byokd.core.limits import (
    ANCHOR_ENTRIES_MAX,
    ANCHOR_INTERVAL_MS,
    USES_FLUSH_COUNT,
    USES_FLUSH_MS,
)
from byokd.protocol.lifecycle import ClientInfo
from byokd.services.audit.maintenance import AuditMaintainer
from byokd.services.audit.service import AuditService
from byokd.services.audit.usage_counter import UsageCounter
from byokd.services.runtime.background import Background
from byokd.services.runtime.clock import now_ms
from byokd.services.runtime.session import Session
from byokd.vault import KeyRow, VaultTx, keys
from vault.vault_fixture import VaultFixture, tampering

pytestmark = pytest.mark.anyio

Entry = tuple[str, dict[str, Any]]


class _Client:
    def __init__(self) -> None:
        self.told: list[str] = []

    def notify(self, _method: str, params: Any) -> None:
        self.told.append(params.message)


class House:
    """A vault with one key, and the custody of its trail, which follows when it is told to."""

    def __init__(self, folder: Path) -> None:
        self.world = VaultFixture(folder)
        self.vault, self.audit = self.world.vault, self.world.audit
        self.background = Background()
        self.uses = UsageCounter()
        self.trail = AuditService(self.vault, self.audit, lambda: None)
        self.custody = AuditMaintainer(
            self.vault, self.audit, self.trail, self.uses, self.background
        )
        self.client = _Client()
        self.session = Session(
            account="default",
            client=cast("Any", self.client),
            client_info=ClientInfo(name="test", version="1.2 (strange)"),
            features=cast("Any", None),
            can_prompt=False,
        )
        self.now_s = 1000.0
        self.paused = asyncio.Event()
        self.key = cast("KeyRow", None)

    async def open(self) -> None:
        if (await self.vault.unlock()).state == "uninitialized":
            await self.world.initialize()
        self.key = await self.world.put()
        await self.vault.read(lambda tx: tx.meta)
        await self.world.write_anchor()

    def follow(self) -> None:
        """Let it follow, and know when it has nothing to do."""
        pause = self.custody._pause

        async def paused(uses_at: float, anchor_at: float) -> None:
            if not self.custody._wake.is_set():
                self.paused.set()
            await pause(uses_at, anchor_at)

        self.custody._pause = paused  # type: ignore[method-assign]
        self.background.start(self.custody.follow(self.session))

    async def settled(self) -> None:
        """Wait until everything that is due now is done, after what followed the last commit."""
        await self.vault.read(lambda tx: tx.meta)
        await anyio.lowlevel.checkpoint()
        self.paused.clear()
        self.custody._wake.set()
        await self.paused.wait()

    def use(self, count: int = 1, outcome: str = "ok") -> None:
        for _ in range(count):
            self.uses.count(self.key, outcome, at=now_ms())

    async def entries(self) -> list[Entry]:
        """Return what was recorded since the key was made, oldest first."""
        found, _ = await self.vault.read(lambda tx: self.audit.page(tx, "default", limit=1000))
        return [(entry.event, entry.details) for entry in reversed(found)][1:]

    async def counts(self) -> list[tuple[str, Any]]:
        """Return the uses that were recorded."""
        return [
            (details["outcome"], details["count"])
            for event, details in await self.entries()
            if event == "key.use"
        ]

    def refuse(self, folder: Path) -> Callable[[], None]:
        with tampering(folder) as raw:
            raw.execute(
                "CREATE TRIGGER no BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'x'); END"
            )

        def accept() -> None:
            with tampering(folder) as raw:
                raw.execute("DROP TRIGGER no")

        return accept

    def mark(self) -> bytes:
        return next((self.world.places.state).glob("anchor-*")).read_bytes()


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    opened = House(tmp_path)
    await opened.open()
    monkeypatch.setattr("byokd.services.audit.maintenance.anyio.current_time", lambda: opened.now_s)
    yield opened
    await opened.background.aclose()
    await opened.vault.aclose()


async def test_the_first_use_opens_the_session_at_once(house: House) -> None:
    house.follow()
    house.use()
    await house.settled()
    [(opened, about), (used, details)] = await house.entries()
    assert (opened, used) == ("session.opened", "key.use")
    assert about["clientVersion"] == "1.2strange"
    assert (details["outcome"], details["count"], details["version"]) == ("ok", 1, 1)


async def test_uses_are_written_after_a_minute_or_when_there_are_many(house: House) -> None:
    house.follow()
    house.use()
    await house.settled()

    house.use(3)
    house.use(outcome="rejected")
    await house.settled()
    assert await house.counts() == [("ok", 1)]
    house.now_s += USES_FLUSH_MS / 1000 - 0.001
    await house.settled()
    assert await house.counts() == [("ok", 1)], "not before its time"
    house.now_s += 0.001
    await house.settled()
    assert await house.counts() == [("ok", 1), ("ok", 3), ("rejected", 1)]

    house.use(USES_FLUSH_COUNT - 1)
    await house.settled()
    assert len(await house.counts()) == 3
    house.use()
    await house.settled()
    assert (await house.counts())[3:] == [("ok", USES_FLUSH_COUNT)]


async def test_a_long_silence_does_not_make_the_next_use_due(house: House) -> None:
    house.follow()
    house.use()
    await house.settled()
    house.now_s += 10 * USES_FLUSH_MS / 1000
    await house.settled()
    house.use()
    await house.settled()
    assert await house.counts() == [("ok", 1)]


async def test_what_could_not_be_written_is_not_lost(house: House, tmp_path: Path) -> None:
    house.follow()
    house.use()
    await house.settled()
    accept = house.refuse(tmp_path)
    house.use(2)
    house.now_s += USES_FLUSH_MS / 1000
    await house.settled()
    assert (house.uses.waiting, await house.counts()) == (2, [("ok", 1)])
    house.use(3)
    accept()
    house.now_s += USES_FLUSH_MS / 1000
    await house.settled()
    assert (house.uses.waiting, await house.counts()) == (0, [("ok", 1), ("ok", 5)])


async def test_a_session_that_could_not_be_opened_opens_later(house: House, tmp_path: Path) -> None:
    accept = house.refuse(tmp_path)
    house.follow()
    house.use()
    await house.settled()
    accept()
    house.use()
    await house.settled()
    assert [event for event, _ in await house.entries()] == ["session.opened", "key.use"]
    assert await house.counts() == [("ok", 2)]


async def test_the_end_closes_the_session_with_its_total(house: House) -> None:
    house.follow()
    house.use(2)
    await house.settled()
    house.use(5)
    await house.background.aclose()
    await house.custody.aclose()
    events = await house.entries()
    assert [event for event, _ in events] == [
        "session.opened", "key.use", "key.use", "session.closed",
    ]  # fmt: skip
    assert events[-1][1]["uses"] == 7 == sum(count for _, count in await house.counts())
    assert events[-1][1]["pid"] == events[0][1]["pid"]
    assert (await house.world.verify()).anchor == "kept"


async def test_a_crash_shows_as_a_session_that_was_not_closed(house: House) -> None:
    house.follow()
    house.use(2)
    await house.settled()
    house.use(3)  # these are what a crash loses: less than a minute of one process
    await house.background.aclose()
    events = [event for event, _ in await house.entries()]
    assert (events.count("session.opened"), events.count("session.closed")) == (1, 0)
    assert await house.counts() == [("ok", 2)]


async def test_who_used_no_key_leaves_no_session(house: House) -> None:
    house.follow()
    await house.settled()
    await house.background.aclose()
    await house.custody.aclose()
    assert await house.entries() == []


async def test_uses_of_a_key_come_before_its_change(house: House) -> None:
    """The order of the trail is the order of what happened, of that key; others may wait."""
    house.follow()
    house.use()
    await house.settled()
    other = await house.world.put()
    house.use(2)
    house.uses.count(other, "ok", at=now_ms())

    def disable(tx: VaultTx) -> None:
        row = keys.set_state(
            tx, "default", house.key.key_id, to="userDisabled", reason="user", at=now_ms()
        )
        house.trail.note(tx, house.session, "key.user_disabled", row)

    await house.trail.settle(house.key.key_id)
    await house.vault.transaction(disable)
    events = [event for event, _ in await house.entries()]
    assert events[-2:] == ["key.use", "key.user_disabled"]
    assert house.uses.waiting == 1


async def test_the_mark_follows_after_ten_minutes(house: House) -> None:
    house.follow()
    await house.settled()
    before = house.mark()
    await house.vault.transaction(
        lambda tx: house.trail.note(tx, house.session, "key.probe", house.key)
    )
    await house.settled()
    assert house.audit.unanchored == 1
    house.now_s += ANCHOR_INTERVAL_MS / 1000 - 0.001
    await house.settled()
    assert house.mark() == before
    house.now_s += 0.001
    await house.settled()
    assert house.mark() != before
    assert house.audit.unanchored == 0


async def test_the_mark_follows_after_so_many_entries_or_one_that_matters(house: House) -> None:
    house.follow()
    await house.settled()

    async def note(event: str, times: int = 1) -> bool:
        before = house.mark()
        for _ in range(times):
            await house.vault.transaction(
                lambda tx: house.trail.note(tx, house.session, event, house.key)
            )
        await house.settled()
        return house.mark() != before

    assert not await note("key.probe", ANCHOR_ENTRIES_MAX - 1)
    assert await note("key.probe")
    assert await note("key.exported")


async def test_a_mark_that_is_being_written_at_the_end_is_written(house: House) -> None:
    """A keyring takes no second question before it has answered the first."""
    asked, answered = asyncio.Event(), asyncio.Event()
    marked: list[int] = []

    async def slow(*, anyway: bool = False) -> None:
        assert not asked.is_set(), anyway
        asked.set()
        await answered.wait()
        marked.append(1)
        house.audit.unanchored = 0

    house.trail.keep_anchor = slow  # type: ignore[method-assign]
    house.follow()
    await house.vault.transaction(
        lambda tx: house.trail.note(tx, house.session, "key.exported", house.key)
    )
    await asked.wait()
    await house.background.aclose()
    closing = asyncio.ensure_future(house.custody.aclose())
    await anyio.lowlevel.checkpoint()
    answered.set()
    await closing
    assert marked == [1]


async def test_what_is_wrong_is_told_and_recorded_once(house: House, tmp_path: Path) -> None:
    with tampering(tmp_path) as raw:
        raw.execute("UPDATE key_entry SET state = 'suspect'")
    for _ in range(2):
        await house.custody.check(house.session)
    assert [event for event, _ in await house.entries()] == ["store.integrity_failed"]
    [told] = house.client.told
    assert house.key.key_id in told
    standings = [house.trail.standing]
    await house.world.delete(house.key.key_id)
    await house.custody.check(house.session)
    assert [*standings, house.trail.standing] == ["faulty", "whole"]

    with tampering(tmp_path) as raw:
        raw.execute("UPDATE key_slot SET created_at = 1")
    for _ in range(2):
        await house.custody.check(house.session)
    assert [event for event, _ in await house.entries()][-1] == "store.integrity_failed"
    details = (await house.entries())[-1][1]
    assert (details["fault"], len(details["slotId"])) == ("tables", 32)
    assert len(house.client.told) == 2


@pytest.mark.parametrize("count", [1, 1_000, 50_000])
def test_counting_costs_the_same_whatever_waits(count: int) -> None:
    """One number for each key, version and ending, and two calls of whoever writes it."""
    due: list[int] = []
    uses = UsageCounter()
    uses.on_due = lambda: due.append(uses.waiting)
    key = cast("KeyRow", SimpleNamespace(account="a", key_id="key_a", provider="p", version=1))
    began = time.perf_counter()
    for at in range(count):
        uses.count(key, "ok", at=at)
    took_us = (time.perf_counter() - began) / count * 1e6
    print(f"a use is counted in {took_us:.1f} us where {count} wait")
    assert due == [1, USES_FLUSH_COUNT][: 1 if count == 1 else 2]
    [use] = uses.take()
    assert (use.count, use.first_at, use.last_at) == (count, 0, count - 1)
    assert (uses.waiting, uses.total) == (0, count)
