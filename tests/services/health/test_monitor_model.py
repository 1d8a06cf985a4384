"""Soft-disable compared with a model that was written from its description.

Two real monitors over one real store, as in two processes. The test moves the time: calls overlap,
a process starts with a clock that is days off, processes die while a probe waits, keys are rotated,
disabled and re-enabled meanwhile. After each step the store must equal the model, which shares no
code with the rule.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from byokd.catalog.record import HealthClass, Verdict
from byokd.core.secret import Secret
from byokd.core.settings import HealthPolicy
from byokd.protocol.key import ProbeResult
from byokd.protocol.lifecycle import Features
from byokd.services.audit.service import AuditService
from byokd.services.audit.usage_counter import UsageCounter
from byokd.services.audit.usage_recorder import UsageRecorder
from byokd.services.health.monitor import HealthMonitor
from byokd.services.health.policy import Observation, renewed, to_row
from byokd.services.health.stored import health_of
from byokd.services.runtime.background import Background
from byokd.services.runtime.session import Session
from byokd.vault import KeyRow, VaultTx, keys
from vault.vault_fixture import ACCOUNT, VaultFixture

T = TypeVar("T")
_DAY = 86_400_000
_DELAY_MS = 30_000
POLICY = HealthPolicy(probe_delay_min_ms=_DELAY_MS, probe_delay_max_ms=_DELAY_MS)
_BAD: tuple[HealthClass, ...] = ("authInvalid", "authUnsure", "authDead")
_SILENT: tuple[HealthClass, ...] = ("forbiddenScope", "notFromProvider", "neutral")


@dataclass
class Model:
    """The description as a model: the history of one key.

    `row` has the time of each counted rejection, by the clock of the process that recorded it.
    """

    fresh_at: int
    version: int = 1
    state: str = "active"
    worked_ever: bool = False
    worked_since_fresh: bool = False
    row: list[int] = field(default_factory=list)
    due_at: int | None = None
    inconclusive: int = 0
    prompts: int = 0

    @property
    def usable(self) -> bool:
        return self.state in {"active", "suspect"}

    def answer(self, health_class: HealthClass, version: int, started: int, now: int) -> None:
        """Receive the answer of a call that began when the key had that version."""
        if version != self.version or not self.usable:
            return
        if health_class == "authOk":
            if not self.row or not started <= self.row[-1] <= now:
                self._works()
        elif self.state == "suspect":
            assert self.due_at is not None
            longest = max(_DELAY_MS, *POLICY.reprobe_delays_ms)
            if now > self.due_at + POLICY.overdue_ms or self.due_at > now + longest:
                self.due_at, self.inconclusive = now + _DELAY_MS, 0
        elif health_class in _BAD:
            self._rejected(health_class, started, now)

    def _works(self) -> None:
        self.worked_ever = self.worked_since_fresh = True
        self.row, self.due_at, self.state, self.inconclusive = [], None, "active", 0

    def _rejected(self, health_class: HealthClass, started: int, now: int) -> None:
        in_grace = not self.worked_since_fresh and now < self.fresh_at + POLICY.grace_ms
        if in_grace or (health_class == "authUnsure" and not self.worked_ever):
            return
        if health_class != "authDead" and self.row:
            last = self.row[-1]
            if last > now:
                self.row[-1] = now
                return
            if not (started > last and now >= last + POLICY.gap_min_ms):
                return
        if self.row and now > self.row[-1] + POLICY.window_ms:
            self.row = []
        self.row.append(now)
        if health_class == "authDead" or len(self.row) == 3:
            self.state, self.due_at, self.inconclusive = "suspect", now + _DELAY_MS, 0

    def probed(self, verdict: Verdict, due_at: int, now: int) -> None:
        """Receive the verdict of the confirming probe that was scheduled for `due_at`."""
        if self.state != "suspect" or self.due_at != due_at:
            return
        if verdict in {"valid", "validRestricted", "noFunds"}:
            self._works()
        elif verdict in {"invalid", "wrongProvider"}:
            self.state, self.due_at, self.inconclusive = "softDisabled", None, 0
            self.prompts += 1
        elif self.inconclusive < len(POLICY.reprobe_delays_ms):
            self.due_at = now + POLICY.reprobe_delays_ms[self.inconclusive]
            self.inconclusive += 1
        else:
            self.due_at, self.inconclusive = now, 0

    def renew(self, now: int, *, rotate: bool) -> None:
        """Rotate or re-enable the key."""
        self.state, self.fresh_at, self.row, self.due_at = "active", now, [], None
        self.worked_since_fresh, self.inconclusive = False, 0
        if rotate:
            self.version += 1
            self.worked_ever = False


class Client:
    """Dismisses every prompt and counts them."""

    def __init__(self) -> None:
        self.prompts = 0

    def notify(self, _method: str, _params: Any) -> None:
        """Ignore it."""

    async def prompt(self, _request: Any) -> None:
        self.prompts += 1


class Tasks(Background):
    """Background tasks that can be awaited until all of them sleep."""

    def __init__(self) -> None:
        super().__init__()
        self.asleep: list[tuple[int, asyncio.Future[None]]] = []
        self._changed = asyncio.Condition()

    async def settled(self) -> None:
        """Wait until every task sleeps or has ended."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._tasks) <= len(self.asleep))

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Start a task and report its end."""
        super().start(self._reported(work))

    async def _reported(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        finally:
            asyncio.get_running_loop().call_soon(self._report)

    def _report(self) -> None:
        self._reports = asyncio.ensure_future(self.changed())

    async def changed(self) -> None:
        """Report that a task sleeps or has ended."""
        async with self._changed:
            self._changed.notify_all()


class Process:
    """One process: its monitor, its store, and its clock, which starts as the wall clock."""

    def __init__(self, fixture: VaultFixture, true_ms: int, wall_ms: int) -> None:
        self.fixture = fixture
        self.true_ms = true_ms
        self.offset = wall_ms - true_ms
        self.client = Client()
        self.verdict: Verdict = "unknown"
        self.tasks = Tasks()
        self.session = Session(ACCOUNT, cast("Any", self.client), None, Features())
        audit = AuditService(fixture.vault, fixture.audit, lambda: None)
        usage = UsageRecorder(fixture.vault, audit, UsageCounter(lambda: None))
        self.monitor = HealthMonitor(
            fixture.vault,
            audit,
            usage,
            self.tasks,
            POLICY,
            cast("Any", self),
            cast("Any", self),
            name_of=str,
            clock=self.now,
            sleep=self._sleep,
        )

    def now(self) -> int:
        return self.true_ms + self.offset

    async def probe_if_possible(self, _session: Session, _row: KeyRow) -> ProbeResult:
        return ProbeResult(
            verdict=self.verdict,
            http_status=401,
            message="as the model says",
            models_seen=None,
            details={},
            checked_at=0,
            duration_ms=0,
        )

    async def enable_if_unchanged(self, _session: Session, _row: KeyRow) -> None:
        raise AssertionError("every prompt is dismissed")

    async def _sleep(self, seconds: float) -> None:
        until = self.true_ms + round(seconds * 1000)
        entry = until, asyncio.get_running_loop().create_future()
        self.tasks.asleep.append(entry)
        await self.tasks.changed()
        try:
            await entry[1]
        finally:
            self.tasks.asleep.remove(entry)


@dataclass
class Call:
    """A running call: its process, the key as it was at the start, and the start."""

    process: Process
    row: KeyRow
    started: int


class SoftDisable(RuleBasedStateMachine):
    """The events of one key's life."""

    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.new_event_loop()
        self._folder = tempfile.TemporaryDirectory()
        self.true_ms, self.jump_ms = 400 * _DAY, 0
        self.fixtures = [VaultFixture(Path(self._folder.name)) for _ in range(2)]
        self.prompted = 0
        self.calls: list[Call] = []
        self._run(self._open())
        self.processes = [Process(fixture, self.true_ms, self.true_ms) for fixture in self.fixtures]
        self.model = Model(fresh_at=self.true_ms)

    async def _open(self) -> None:
        await self.fixtures[0].initialize()
        await self.fixtures[1].vault.unlock()
        self.key_id = (await self.fixtures[0].put()).key_id

        def fresh(tx: VaultTx) -> None:
            health = {"fresh_since": self.true_ms}
            keys.set_health(tx, ACCOUNT, self.key_id, version=1, health=health)

        await self.fixtures[0].vault.transaction(fresh)

    def teardown(self) -> None:
        self._run(self._close())
        self._loop.close()
        self._folder.cleanup()

    async def _close(self) -> None:
        for process in self.processes:
            await process.tasks.aclose()
        for fixture in self.fixtures:
            await fixture.vault.aclose()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(work)

    def _row(self) -> KeyRow:
        return self._run(self.fixtures[0].vault.read(lambda tx: keys.get(tx, ACCOUNT, self.key_id)))

    @rule(
        ms=st.sampled_from([1, 500, 1_999, 2_000, 2_001, 20_000, 30_001, 60_001, 120_000, 900_001])
    )
    def time_passes(self, ms: int) -> None:
        self.true_ms += ms
        for process in self.processes:
            process.true_ms = self.true_ms

    @rule(days=st.sampled_from([-1, 1]))
    def the_wall_clock_is_set(self, days: int) -> None:
        """Only a process that starts later is affected."""
        self.jump_ms += days * _DAY

    @rule(which=st.integers(0, 1))
    def a_process_dies_and_another_starts(self, which: int) -> None:
        old = self.processes[which]
        self._run(old.tasks.aclose())
        self.prompted += old.client.prompts
        wall_ms = self.true_ms + self.jump_ms
        self.processes[which] = Process(old.fixture, self.true_ms, wall_ms)
        self.calls = [call for call in self.calls if call.process is not old]

    @precondition(lambda self: self.model.usable and len(self.calls) < 20)
    @rule(which=st.integers(0, 1), count=st.integers(1, 4))
    def calls_begin(self, which: int, count: int) -> None:
        process = self.processes[which]
        row = self._row()
        self.calls += [Call(process, row, process.now())] * count

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), health_class=st.sampled_from((*_BAD, "authOk", "authOk", *_SILENT)))
    def an_answer_comes(self, data: st.DataObject, health_class: HealthClass) -> None:
        call = self.calls.pop(data.draw(st.integers(0, len(self.calls) - 1)))
        self._answered(call, health_class)

    @precondition(lambda self: self.model.usable)
    @rule(which=st.integers(0, 1))
    def a_quick_call_is_accepted(self, which: int) -> None:
        process = self.processes[which]
        self.time_passes(1)
        call = Call(process, self._row(), process.now())
        self.time_passes(1)
        self._answered(call, "authOk")

    @precondition(lambda self: self.model.usable)
    @rule(
        which=st.integers(0, 1),
        health_class=st.sampled_from(_BAD),
        pause_ms=st.sampled_from([1, 2_500]),
    )
    def a_quick_call_is_rejected(
        self, which: int, health_class: HealthClass, pause_ms: int
    ) -> None:
        self.time_passes(pause_ms)
        process = self.processes[which]
        call = Call(process, self._row(), process.now())
        self.time_passes(1)
        self._answered(call, health_class)

    @precondition(lambda self: self.model.usable)
    @rule(which=st.integers(0, 1), count=st.integers(2, 4))
    def concurrent_calls_are_rejected(self, which: int, count: int) -> None:
        process = self.processes[which]
        calls = [Call(process, self._row(), process.now())] * count
        for call in calls:
            self.time_passes(2_500)
            self._answered(call, "authInvalid")

    def _answered(self, call: Call, health_class: HealthClass) -> None:
        process = call.process
        answer = Observation(health_class, 401, "req")

        async def settle() -> None:
            await process.monitor.observe(
                process.session, call.row, answer, started_at=call.started
            )
            await process.tasks.settled()

        self._run(settle())
        self.model.answer(health_class, call.row.version, call.started, process.now())

    @precondition(lambda self: any(process.tasks.asleep for process in self.processes))
    @rule(
        data=st.data(),
        verdict=st.sampled_from(
            [
                "valid",
                "validRestricted",
                "noFunds",
                "invalid",
                "invalid",
                "rateLimited",
                "unreachable",
            ]
        ),
    )
    def a_probe_is_answered(self, data: st.DataObject, verdict: Verdict) -> None:
        """The first of a process's probes, after its delay."""
        process = data.draw(st.sampled_from([p for p in self.processes if p.tasks.asleep]))
        until, sleeper = min(process.tasks.asleep, key=lambda entry: entry[0])
        self.time_passes(max(0, until - self.true_ms))
        process.verdict = verdict
        due_at = until + process.offset
        sleeper.set_result(None)

        async def settle() -> None:
            await asyncio.sleep(0)
            await process.tasks.settled()

        self._run(settle())
        self.model.probed(verdict, due_at, process.now())

    @rule(which=st.integers(0, 1))
    def the_person_rotates_the_key(self, which: int) -> None:
        process = self.processes[which]

        def rotate(tx: VaultTx) -> None:
            row = keys.rotate(tx, ACCOUNT, self.key_id, {"apiKey": Secret("another")}, at=1)
            health = {"fresh_since": process.now()}
            keys.set_health(tx, ACCOUNT, self.key_id, version=row.version, health=health)
            process.fixture.note(tx, "key.rotated", self.key_id)

        self._run(process.fixture.vault.transaction(rotate))
        self.model.renew(process.now(), rotate=True)

    @precondition(lambda self: not self.model.usable)
    @rule(which=st.integers(0, 1))
    def the_person_enables_the_key(self, which: int) -> None:
        process = self.processes[which]

        def enable(tx: VaultTx) -> None:
            row = keys.get(tx, ACCOUNT, self.key_id)
            fresh = to_row(renewed(health_of(row), process.now()))
            keys.set_state(tx, ACCOUNT, self.key_id, to="active", at=1, health=fresh)
            process.fixture.note(tx, "key.reenabled", self.key_id)

        self._run(process.fixture.vault.transaction(enable))
        self.model.renew(process.now(), rotate=False)

    @precondition(lambda self: self.model.state != "userDisabled")
    @rule(which=st.integers(0, 1))
    def the_person_disables_the_key(self, which: int) -> None:
        process = self.processes[which]

        def disable(tx: VaultTx) -> None:
            keys.set_state(tx, ACCOUNT, self.key_id, to="userDisabled", at=1)
            process.fixture.note(tx, "key.user_disabled", self.key_id)

        self._run(process.fixture.vault.transaction(disable))
        self.model.state = "userDisabled"

    @invariant()
    def the_store_equals_the_model(self) -> None:
        SoftDisable.steps += 1
        row, model = self._row(), self.model
        assert (row.state, row.version) == (model.state, model.version)
        if not model.usable:
            return
        health = health_of(row)
        assert health.rejections == len(model.row)
        assert health.proven == model.worked_since_fresh
        assert bool(health.accepted_at) == model.worked_ever
        assert (health.probe_at or None) == model.due_at

    @invariant()
    def each_disable_prompts_once(self) -> None:
        now = sum(process.client.prompts for process in self.processes)
        assert self.prompted + now == self.model.prompts


def _check(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        SoftDisable,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
            print_blob=True,
        ),
    )


def test_monitor_agrees_with_the_model() -> None:
    _check(8, 40)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_monitor_agrees_with_the_model_for_50_000_steps() -> None:
    before, steps = SoftDisable.steps, 0
    while steps < 50_000:  # a run may end early
        _check(100, 100)
        steps = SoftDisable.steps - before
    print(f"\nsoft-disable against its model: {steps} steps, 0 differences")
