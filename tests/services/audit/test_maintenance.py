"""When usage counts and the anchor are written, over a real store and a clock that the test moves.

No test waits for time to pass.
"""

from __future__ import annotations

import asyncio
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
from byokd.services.audit.usage_recorder import UsageRecorder
from byokd.services.audit.wake_signal import WakeSignal
from byokd.services.runtime.background import Background
from byokd.services.runtime.clock import now_ms
from byokd.services.runtime.session import Session
from byokd.vault import KeyRow, VaultTx, keys
from vault.vault_fixture import VaultFixture, tampering

pytestmark = pytest.mark.anyio

Entry = tuple[str, dict[str, Any]]


class _Client:
    def __init__(self) -> None:
        self.messages: list[str] = []

    def notify(self, _method: str, params: Any) -> None:
        self.messages.append(params.message)


class Maintained:
    """A vault with one key, and the maintainer of its audit log, started by `start`."""

    def __init__(self, folder: Path) -> None:
        self.wake = WakeSignal()
        self.fixture = VaultFixture(folder, on_due=self.wake.anchor_due)
        self.vault, self.audit_log = self.fixture.vault, self.fixture.audit
        self.background = Background()
        self.counter = UsageCounter(self.wake.usage_due)
        self.audit = AuditService(self.vault, self.audit_log, lambda: None)
        self.usage = UsageRecorder(self.vault, self.audit, self.counter)
        self.maintainer = AuditMaintainer(
            self.vault, self.audit_log, self.audit, self.usage, self.wake, self.background
        )
        self.client = _Client()
        self.session = Session(
            account="default",
            client=cast("Any", self.client),
            client_info=ClientInfo(name="test", version="1.2 (strange)"),
            features=cast("Any", None),
        )
        self.now_s = 1000.0
        self.paused = asyncio.Event()
        self.key = cast("KeyRow", None)

    async def open(self) -> None:
        if (await self.vault.unlock()).state == "uninitialized":
            await self.fixture.initialize()
        self.key = await self.fixture.put()
        await self.vault.read(lambda tx: tx.meta)
        await self.fixture.write_anchor()

    def start(self) -> None:
        """Run the maintainer; `paused` is set when it has nothing to do."""
        pause = self.maintainer._pause

        async def observed_pause(flushed_at: float, anchored_at: float) -> None:
            if not self.wake._event.is_set():
                self.paused.set()
            await pause(flushed_at, anchored_at)

        self.maintainer._pause = observed_pause  # type: ignore[method-assign]
        self.background.start(self.maintainer.run(self.session))

    async def settled(self) -> None:
        """Wait until everything is written that is due at the present time."""
        await self.vault.read(lambda tx: tx.meta)
        await anyio.lowlevel.checkpoint()
        self.paused.clear()
        self.wake.usage_due()
        await self.paused.wait()

    def use(self, count: int = 1, outcome: str = "ok") -> None:
        for _ in range(count):
            self.counter.count(self.key, outcome, at=now_ms())

    async def entries(self) -> list[Entry]:
        """Return the entries after the one of the key, oldest first."""
        page, _ = await self.vault.read(lambda tx: self.audit_log.page(tx, "default", limit=1000))
        return [(entry.event, entry.details) for entry in reversed(page)][1:]

    async def counts(self) -> list[tuple[str, Any]]:
        """Return outcome and count of each recorded use."""
        return [
            (details["outcome"], details["count"])
            for event, details in await self.entries()
            if event == "key.use"
        ]

    def refuse_inserts(self, folder: Path) -> Callable[[], None]:
        """Take the number of the next entry; return how to give it back."""
        with tampering(folder) as raw:
            raw.execute(
                "INSERT INTO audit SELECT ifnull(max(head_seq), 0) + 1, 1, 0, 'no', '', '', '',"
                " x'', x'', x'' FROM meta"
            )

        def allow() -> None:
            with tampering(folder) as raw:
                raw.execute("DELETE FROM audit WHERE event = 'no'")

        return allow

    def anchor(self) -> bytes:
        return next((self.fixture.places.state).glob("anchor-*")).read_bytes()


@pytest.fixture
async def maintained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Maintained]:
    opened = Maintained(tmp_path)
    await opened.open()
    monkeypatch.setattr("byokd.services.audit.maintenance.anyio.current_time", lambda: opened.now_s)
    yield opened
    await opened.background.aclose()
    await opened.vault.aclose()


async def test_first_use_is_written_at_once_after_the_opened_session(
    maintained: Maintained,
) -> None:
    maintained.start()
    maintained.use()
    await maintained.settled()
    [(first, client), (second, details)] = await maintained.entries()
    assert (first, second) == ("session.opened", "key.use")
    assert client["clientVersion"] == "1.2strange"
    assert (details["outcome"], details["count"], details["version"]) == ("ok", 1, 1)


async def test_uses_are_written_after_a_minute_or_at_the_flush_count(
    maintained: Maintained,
) -> None:
    maintained.start()
    maintained.use()
    await maintained.settled()

    maintained.use(3)
    maintained.use(outcome="rejected")
    await maintained.settled()
    assert await maintained.counts() == [("ok", 1)]
    maintained.now_s += USES_FLUSH_MS / 1000 - 0.001
    await maintained.settled()
    assert await maintained.counts() == [("ok", 1)], "not before its time"
    maintained.now_s += 0.001
    await maintained.settled()
    assert await maintained.counts() == [("ok", 1), ("ok", 3), ("rejected", 1)]

    maintained.use(USES_FLUSH_COUNT - 1)
    await maintained.settled()
    assert len(await maintained.counts()) == 3
    maintained.use()
    await maintained.settled()
    assert (await maintained.counts())[3:] == [("ok", USES_FLUSH_COUNT)]


async def test_use_after_a_long_pause_is_not_due_at_once(maintained: Maintained) -> None:
    maintained.start()
    maintained.use()
    await maintained.settled()
    maintained.now_s += 10 * USES_FLUSH_MS / 1000
    await maintained.settled()
    maintained.use()
    await maintained.settled()
    assert await maintained.counts() == [("ok", 1)]


async def test_counts_that_fail_to_write_are_written_later(
    maintained: Maintained, tmp_path: Path
) -> None:
    maintained.start()
    maintained.use()
    await maintained.settled()
    allow = maintained.refuse_inserts(tmp_path)
    maintained.use(2)
    maintained.now_s += USES_FLUSH_MS / 1000
    await maintained.settled()
    assert (maintained.counter.waiting, await maintained.counts()) == (2, [("ok", 1)])
    maintained.use(3)
    allow()
    maintained.now_s += USES_FLUSH_MS / 1000
    await maintained.settled()
    assert (maintained.counter.waiting, await maintained.counts()) == (0, [("ok", 1), ("ok", 5)])


async def test_session_entry_that_fails_to_write_is_written_later(
    maintained: Maintained, tmp_path: Path
) -> None:
    allow = maintained.refuse_inserts(tmp_path)
    maintained.start()
    maintained.use()
    await maintained.settled()
    allow()
    maintained.use()
    await maintained.settled()
    assert [event for event, _ in await maintained.entries()] == ["session.opened", "key.use"]
    assert await maintained.counts() == [("ok", 2)]


async def test_close_records_the_end_of_the_session_with_its_total(maintained: Maintained) -> None:
    maintained.start()
    maintained.use(2)
    await maintained.settled()
    maintained.use(5)
    await maintained.background.aclose()
    await maintained.maintainer.aclose()
    events = await maintained.entries()
    assert [event for event, _ in events] == [
        "session.opened", "key.use", "key.use", "session.closed",
    ]  # fmt: skip
    assert events[-1][1]["uses"] == 7 == sum(count for _, count in await maintained.counts())
    assert events[-1][1]["pid"] == events[0][1]["pid"]
    assert (await maintained.fixture.verify()).anchor == "kept"


async def test_crash_leaves_a_session_without_an_end(maintained: Maintained) -> None:
    maintained.start()
    maintained.use(2)
    await maintained.settled()
    maintained.use(3)  # a crash loses these: less than a minute of one process
    await maintained.background.aclose()
    events = [event for event, _ in await maintained.entries()]
    assert (events.count("session.opened"), events.count("session.closed")) == (1, 0)
    assert await maintained.counts() == [("ok", 2)]


async def test_process_without_a_use_records_no_session(maintained: Maintained) -> None:
    maintained.start()
    await maintained.settled()
    await maintained.background.aclose()
    await maintained.maintainer.aclose()
    assert await maintained.entries() == []


async def test_uses_of_a_key_are_recorded_before_its_change(maintained: Maintained) -> None:
    maintained.start()
    maintained.use()
    await maintained.settled()
    second = await maintained.fixture.put()
    maintained.use(2)
    maintained.counter.count(second, "ok", at=now_ms())

    def disable(tx: VaultTx) -> None:
        row = keys.set_state(
            tx, "default", maintained.key.key_id, to="userDisabled", reason="user", at=now_ms()
        )
        maintained.audit.record(tx, maintained.session, "key.user_disabled", row)

    await maintained.usage.flush(maintained.session, maintained.key.key_id)
    await maintained.vault.transaction(disable)
    events = [event for event, _ in await maintained.entries()]
    assert events[-2:] == ["key.use", "key.user_disabled"]
    assert maintained.counter.waiting == 1


async def test_anchor_is_written_after_ten_minutes(maintained: Maintained) -> None:
    maintained.start()
    await maintained.settled()
    before = maintained.anchor()
    await maintained.vault.transaction(
        lambda tx: maintained.audit.record(tx, maintained.session, "key.probe", maintained.key)
    )
    await maintained.settled()
    assert maintained.audit_log.unanchored == 1
    maintained.now_s += ANCHOR_INTERVAL_MS / 1000 - 0.001
    await maintained.settled()
    assert maintained.anchor() == before
    maintained.now_s += 0.001
    await maintained.settled()
    assert maintained.anchor() != before
    assert maintained.audit_log.unanchored == 0


async def test_anchor_is_written_after_many_entries_or_a_security_entry(
    maintained: Maintained,
) -> None:
    maintained.start()
    await maintained.settled()

    async def record(event: str, times: int = 1) -> bool:
        before = maintained.anchor()
        for _ in range(times):
            await maintained.vault.transaction(
                lambda tx: maintained.audit.record(tx, maintained.session, event, maintained.key)
            )
        await maintained.settled()
        return maintained.anchor() != before

    assert not await record("key.probe", ANCHOR_ENTRIES_MAX - 1)
    assert await record("key.probe")
    assert await record("key.exported")


async def test_close_waits_for_an_anchor_that_is_being_written(maintained: Maintained) -> None:
    started, release = asyncio.Event(), asyncio.Event()
    written: list[int] = []

    async def slow(*, anyway: bool = False) -> None:
        assert not started.is_set(), anyway
        started.set()
        await release.wait()
        written.append(1)
        maintained.audit_log.unanchored = 0

    maintained.audit.write_anchor = slow  # type: ignore[method-assign]
    maintained.start()
    await maintained.vault.transaction(
        lambda tx: maintained.audit.record(tx, maintained.session, "key.exported", maintained.key)
    )
    await started.wait()
    await maintained.background.aclose()
    closing = asyncio.ensure_future(maintained.maintainer.aclose())
    await anyio.lowlevel.checkpoint()
    release.set()
    await closing
    assert written == [1]


async def test_fault_is_reported_and_recorded_once(maintained: Maintained, tmp_path: Path) -> None:
    with tampering(tmp_path) as raw:
        raw.execute("UPDATE key_entry SET state = 'suspect'")
    for _ in range(2):
        await maintained.maintainer.check(maintained.session)
    assert [event for event, _ in await maintained.entries()] == ["store.integrity_failed"]
    [message] = maintained.client.messages
    assert maintained.key.key_id in message
    results = [maintained.audit.check_result]
    await maintained.fixture.delete(maintained.key.key_id)
    await maintained.maintainer.check(maintained.session)
    assert [*results, maintained.audit.check_result] == ["faulty", "whole"]

    with tampering(tmp_path) as raw:
        raw.execute("UPDATE key_slot SET created_at = 1")
    for _ in range(2):
        await maintained.maintainer.check(maintained.session)
    assert [event for event, _ in await maintained.entries()][-1] == "store.integrity_failed"
    details = (await maintained.entries())[-1][1]
    assert (details["fault"], len(details["slotId"])) == ("tables", 32)
    assert len(maintained.client.messages) == 2


@pytest.mark.parametrize("count", [1, 1_000, 50_000])
def test_counter_holds_one_count_for_equal_uses(count: int) -> None:
    due: list[int] = []
    counter: UsageCounter
    counter = UsageCounter(lambda: due.append(counter.waiting))
    key = cast("KeyRow", SimpleNamespace(account="a", key_id="key_a", provider="p", version=1))
    for at in range(count):
        counter.count(key, "ok", at=at)
    assert due == [1, USES_FLUSH_COUNT][: 1 if count == 1 else 2]
    [use] = counter.take()
    assert (use.count, use.first_at, use.last_at) == (count, 0, count - 1)
    assert (counter.waiting, counter.total) == (0, count)
