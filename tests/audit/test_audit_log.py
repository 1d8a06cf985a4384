"""The audit log: tampering without the key is detected and classified.

One case cannot be detected: a store and its anchor that are rolled back together.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from byokd.audit import AuditLog
from byokd.core.limits import AUDIT_BATCH_ENTRIES, AUDIT_BODY_MAX_BYTES, CLOCK_STEP_BACK_MS
from byokd.crypto.chain import ChainEntry, Link, derive_chain
from byokd.protocol.audit import AuditVerifyResult
from byokd.protocol.errors import Internal, InvalidParams, VaultCorrupt, VaultLocked
from byokd.protocol.key import KeyState
from byokd.vault import SlotSecrets, VaultTx, keys
from vault import vault_fixture
from vault.vault_fixture import ACCOUNT, STATE_EVENTS, VaultFixture, tampering

pytestmark = pytest.mark.anyio


@pytest.fixture
async def fixture(tmp_path: Path) -> AsyncIterator[VaultFixture]:
    """Create eight entries: the vault, three keys, a probe, and three changes of state."""
    async with vault_fixture.open_vault(tmp_path) as opened:
        first, second, third = [await opened.put(f"sk-test-{n}-0123456789ab") for n in range(3)]
        await opened.vault.transaction(lambda tx: opened.note(tx, "key.probe", first.key_id))
        await _set(opened, second.key_id, "userDisabled")
        await opened.delete(third.key_id)
        await _set(opened, second.key_id, "active")
        yield opened


async def _set(fixture: VaultFixture, key_id: str, to: KeyState) -> None:
    def work(tx: VaultTx) -> None:
        keys.set_state(tx, ACCOUNT, key_id, to=to, at=fixture.now())
        fixture.note(tx, STATE_EVENTS[to], key_id)

    await fixture.vault.transaction(work)


async def _verify(fixture: VaultFixture) -> AuditVerifyResult:
    return await fixture.verify()


async def test_untouched_log_is_intact(fixture: VaultFixture) -> None:
    assert (await fixture.verify()).anchor == "none"
    assert "unanchored" in (await fixture.verify()).message
    await fixture.write_anchor()
    result = await _verify(fixture)
    assert (result.ok, result.entries, result.fault, result.first_bad_seq) == (True, 8, None, None)
    assert (result.anchor, result.keys) == ("kept", ())
    assert "anchor" not in result.message


async def test_page_is_newest_first_and_of_one_account(fixture: VaultFixture) -> None:
    await fixture.put(account="other")

    async def page(**query: Any) -> tuple[list[int], str | None]:
        entries, cursor = await fixture.vault.read(
            lambda tx: fixture.audit.page(tx, ACCOUNT, **query)
        )
        return [entry.seq for entry in entries], cursor

    assert await page() == ([8, 7, 6, 5, 4, 3, 2], None)
    assert await page(limit=3) == ([8, 7, 6], "6")
    assert await page(limit=3, cursor="6") == ([5, 4, 3], "3")
    assert await page(limit=3, cursor="3") == ([2], None)
    assert await page(limit=7) == ([8, 7, 6, 5, 4, 3, 2], None)
    entries, _ = await fixture.vault.read(lambda tx: fixture.audit.page(tx, ACCOUNT))
    key_id = entries[-1].key_id
    assert await page(key_id=key_id) == ([5, 2], None)
    assert entries[-1].event == "key.created"
    assert entries[-1].provider == vault_fixture.PROVIDER
    assert (entries[-1].actor, entries[-1].details) == ("test", {})


@pytest.mark.parametrize("cursor", ["", "-1", "x", "1.5", "9" * 19, "٣"])
async def test_invalid_cursor_is_refused(fixture: VaultFixture, cursor: str) -> None:
    with pytest.raises(InvalidParams):
        await fixture.vault.read(lambda tx: fixture.audit.page(tx, ACCOUNT, cursor=cursor))


async def test_details_over_the_limit_are_refused(fixture: VaultFixture) -> None:
    async def append(text: str) -> int:
        return await fixture.vault.transaction(
            lambda tx: fixture.audit.append(
                tx, ACCOUNT, "key.probe", actor="test", at=fixture.now(), provider=text
            )
        )

    empty = len('{"provider":""}')
    assert await append("x" * (AUDIT_BODY_MAX_BYTES - empty))
    with pytest.raises(Internal):
        await append("x" * (AUDIT_BODY_MAX_BYTES - empty + 1))
    assert (await _verify(fixture)).entries == 9


async def test_failed_change_leaves_no_entry(fixture: VaultFixture) -> None:
    def work(tx: VaultTx) -> None:
        fixture.note(tx, "key.probe")
        raise LookupError

    with pytest.raises(LookupError):
        await fixture.vault.transaction(work)
    result = await _verify(fixture)
    assert (result.ok, result.entries) == (True, 8)


async def test_clock_step_back_is_recorded_once(fixture: VaultFixture) -> None:
    """Order is by sequence; no entry's time is before that of the previous one."""

    async def at(*times_ms: int) -> list[tuple[str, int]]:
        for time_ms in times_ms:
            await fixture.vault.transaction(
                lambda tx, at=time_ms: fixture.audit.append(  # type: ignore[misc]  # a default
                    tx, ACCOUNT, "key.probe", actor="test", at=at
                )
            )
        rows = await fixture.vault.read(lambda tx: tx.sql.all("SELECT event, ts_us FROM audit"))
        return [(row.text("event"), row.number("ts_us")) for row in rows][8:]

    now = fixture.now()
    step = CLOCK_STEP_BACK_MS
    recorded = await at(now, now - step + 1, now - step, now - 5 * step, now + 1, now - step)
    assert [event for event, _ in recorded] == [
        "key.probe", "key.probe", "clock.regressed", "key.probe", "key.probe", "key.probe",
        "clock.regressed", "key.probe",
    ]  # fmt: skip
    start = now * 1000
    assert [time - start for _, time in recorded] == [0, 1, 2, 3, 4, 1000, 1001, 1002]
    assert (await _verify(fixture)).ok


async def test_clock_step_back_is_recorded_once_across_processes(fixture: VaultFixture) -> None:
    behind = fixture.now() - 10 * CLOCK_STEP_BACK_MS
    other = AuditLog(fixture.places.state)  # as in another process
    for audit in (fixture.audit, other, fixture.audit):
        await fixture.vault.transaction(
            lambda tx, audit=audit: audit.append(  # type: ignore[misc]  # a default
                tx, ACCOUNT, "key.probe", actor="test", at=behind
            )
        )
    entries, _ = await fixture.vault.read(lambda tx: fixture.audit.page(tx, ACCOUNT))
    events = [entry.event for entry in entries]
    assert events[:4] == ["key.probe"] * 3 + ["clock.regressed"]
    assert events.count("clock.regressed") == 1
    assert entries[3].details == {"wasAt": entries[4].at, "isAt": behind}


@pytest.mark.parametrize(
    ("event", "details"),
    [
        ("key.stolen", {}),
        ("key.probe", {"secret": "x"}),
        ("key.probe", {"verdict": "has spaces"}),
        ("key.probe", {"verdict": 1}),
        ("key.probe", {"httpStatus": -1}),
        ("key.probe", {"httpStatus": True}),
        ("key.probe", {"allowInsecureOrigin": 1}),
        ("key.probe", {"providerRequestId": "x" * 129}),
        ("key.probe", {"providerRequestId": "sk key"}),
        ("key.probe", {"origin": "https://host/path?key=x"}),
        ("key.probe", {"fingerprint": "sk-test-0123456789abcdef"}),
    ],
)
async def test_unlisted_event_or_detail_writes_nothing(
    fixture: VaultFixture, event: str, details: dict[str, Any]
) -> None:
    with pytest.raises(Internal) as refused:
        await fixture.vault.transaction(
            lambda tx: fixture.audit.append(
                tx, ACCOUNT, event, actor="test", at=fixture.now(), details=details
            )
        )
    assert not any(str(value) in refused.value.user_message for value in details.values() if value)
    assert (await _verify(fixture)).entries == 8


async def test_long_log_is_verified_in_batches(fixture: VaultFixture) -> None:
    def many(tx: VaultTx) -> None:
        for _ in range(2 * AUDIT_BATCH_ENTRIES - 8):
            fixture.note(tx, "key.probe")

    await fixture.vault.transaction(many)
    assert (await _verify(fixture)).entries == 2 * AUDIT_BATCH_ENTRIES
    await fixture.vault.transaction(lambda tx: fixture.note(tx, "key.probe"))
    result = await _verify(fixture)
    assert (result.ok, result.entries) == (True, 2 * AUDIT_BATCH_ENTRIES + 1)


# --- tampering ------------------------------------------------------------------------------------


def _swap(raw: sqlite3.Connection) -> None:
    raw.execute("UPDATE audit SET seq = -3 WHERE seq = 3")
    raw.execute("UPDATE audit SET seq = 3 WHERE seq = 5")
    raw.execute("UPDATE audit SET seq = 5 WHERE seq = -3")


def _duplicate(raw: sqlite3.Connection) -> None:
    raw.execute(
        "INSERT INTO audit SELECT 9, epoch, ts_us, event, account_ref, key_ref, actor, body, h, m"
        " FROM audit WHERE seq = 8"
    )


def _renumber(raw: sqlite3.Connection) -> None:
    raw.execute("DELETE FROM audit WHERE seq = 4")
    for seq in range(5, 9):
        raw.execute("UPDATE audit SET seq = ? WHERE seq = ?", (seq - 1, seq))


def _recompute(raw: sqlite3.Connection) -> None:
    """Edit an entry and recompute the whole chain with another key."""
    meta = raw.execute("SELECT * FROM meta").fetchone()
    chain = derive_chain(b"\1" * 32, meta["store_id"], 1)
    link: Link = chain.genesis()
    for row in raw.execute("SELECT * FROM audit ORDER BY seq").fetchall():
        actor = "innocent" if row["seq"] == 5 else row["actor"]
        entry = ChainEntry(
            row["seq"], row["ts_us"], row["event"], row["account_ref"], row["key_ref"], actor,
            row["body"],
        )  # fmt: skip
        link = chain.next_link(link, entry)
        raw.execute(
            "UPDATE audit SET actor = ?, h = ?, m = ? WHERE seq = ?", (actor, *link, row["seq"])
        )
    raw.execute("UPDATE meta SET head_h = ?, head_m = ?", tuple(link))


def _sql(statement: str) -> Callable[[sqlite3.Connection], object]:
    return lambda raw: raw.execute(statement)


_TAMPERED: dict[str, tuple[Callable[[sqlite3.Connection], object], str, int | None]] = {
    "first deleted": (_sql("DELETE FROM audit WHERE seq = 1"), "gap", 1),
    "middle deleted": (_sql("DELETE FROM audit WHERE seq = 4"), "gap", 4),
    "last deleted": (_sql("DELETE FROM audit WHERE seq = 8"), "truncated", 8),
    "last three deleted": (_sql("DELETE FROM audit WHERE seq > 5"), "truncated", 6),
    "all deleted": (_sql("DELETE FROM audit"), "truncated", 1),
    "two exchanged": (_swap, "order", 3),
    "one repeated": (_duplicate, "dup", 9),
    "gap closed": (_renumber, "mac", 4),
    "one before the first": (_sql("UPDATE audit SET seq = 0 WHERE seq = 8"), "order", 0),
    "recomputed with another key": (_recompute, "mac", 1),
    "time": (_sql("UPDATE audit SET ts_us = ts_us + 1 WHERE seq = 5"), "mac", 5),
    "time before the epoch": (_sql("UPDATE audit SET ts_us = -1 WHERE seq = 5"), "mac", 5),
    "epoch": (_sql("UPDATE audit SET epoch = 2 WHERE seq = 5"), "mac", 5),
    "event": (_sql("UPDATE audit SET event = 'key.probe' WHERE seq = 6"), "mac", 6),
    "account": (_sql("UPDATE audit SET account_ref = 'other' WHERE seq = 5"), "mac", 5),
    "key": (_sql("UPDATE audit SET key_ref = '' WHERE seq = 5"), "mac", 5),
    "actor": (_sql("UPDATE audit SET actor = 'innocent' WHERE seq = 5"), "mac", 5),
    "body": (_sql("UPDATE audit SET body = x'7b207d' WHERE seq = 5"), "mac", 5),
    "hash": (_sql("UPDATE audit SET h = zeroblob(32) WHERE seq = 5"), "mac", 5),
    "mac": (_sql("UPDATE audit SET m = zeroblob(32) WHERE seq = 5"), "mac", 5),
    "mac cut": (_sql("UPDATE audit SET m = x'' WHERE seq = 8"), "mac", 8),
    "recorded end": (_sql("UPDATE meta SET head_seq = 7"), "mac", None),
    "a key deleted": (_sql("DELETE FROM key_entry WHERE is_default = 1"), "tables", 2),
    "a key's state": (_sql("UPDATE key_entry SET state = 'suspect'"), "tables", None),
    "a key's origin": (_sql("UPDATE key_entry SET origin = 'https://x'"), "tables", None),
}


@pytest.mark.parametrize("name", _TAMPERED)
async def test_tampering_is_detected_and_classified(
    fixture: VaultFixture, tmp_path: Path, name: str
) -> None:
    tamper, fault, first_bad = _TAMPERED[name]
    with tampering(tmp_path) as raw:
        tamper(raw)
    result = await _verify(fixture)
    assert (result.ok, result.fault) == (False, fault), result.message
    if first_bad is not None or fault != "tables":
        assert result.first_bad_seq == first_bad
    assert result.message[0].islower()
    assert not result.message.endswith(".")


async def test_removed_entries_leave_a_permanent_gap(fixture: VaultFixture, tmp_path: Path) -> None:
    """Later entries do not close the gap, and a key can still be deleted."""
    with tampering(tmp_path) as raw:
        raw.execute("DELETE FROM audit WHERE seq > 6")
    await fixture.put("sk-test-later-0123456789")
    result = await _verify(fixture)
    assert (result.fault, result.first_bad_seq) == ("gap", 7)


async def test_tampered_meta_row_stops_changes_but_not_calls(
    fixture: VaultFixture, tmp_path: Path
) -> None:
    row = await fixture.put()
    with tampering(tmp_path) as raw:
        raw.execute("UPDATE meta SET generation = generation + 1")
    with pytest.raises(VaultCorrupt):
        await fixture.put()
    assert await fixture.open(row.key_id) == vault_fixture.SECRET


def _snapshot(folder: Path, name: str) -> Callable[[], None]:
    """Copy a part of the folder; the result restores it."""
    anchored = folder.with_name(f"{folder.name}-{name}")
    shutil.copytree(folder / name, anchored)

    def restore() -> None:
        shutil.rmtree(folder / name)
        shutil.copytree(anchored, folder / name)

    return restore


@pytest.mark.parametrize(
    ("parts", "detected"),
    [
        (["data"], True),  # an old copy of the store
        (["data", "state"], False),  # both restored: undetectable on this machine
    ],
)
async def test_older_copy_is_detected_by_its_anchor(
    tmp_path: Path, parts: list[str], *, detected: bool
) -> None:
    async with vault_fixture.open_vault(tmp_path) as fixture:
        for _ in range(7):
            await fixture.put()
    restores = [_snapshot(tmp_path, part) for part in parts]
    async with vault_fixture.open_vault(tmp_path) as fixture:
        await fixture.put("sk-test-revoked-0123456789")
    for restore in restores:
        restore()
    async with vault_fixture.open_vault(tmp_path) as fixture:
        info = fixture.vault.status()
        assert (info.state, info.reason) == (
            ("locked", "rollback") if detected else ("unlocked", None)
        )
        result = await _verify(fixture)
        expected = ("truncated", 9) if detected else (None, None)
        assert (result.fault, result.first_bad_seq) == expected, result.message
        if not detected:
            return
        with pytest.raises(VaultLocked):
            await fixture.put()
        # Every other process refuses it too, until a person accepts it.
        await fixture.vault.unlock_with(
            SlotSecrets(), admit=lambda tx: fixture.note(tx, "store.rollback_accepted")
        )
        await fixture.write_anchor(anyway=True)
        await fixture.put()
        assert (await _verify(fixture)).ok
    async with vault_fixture.open_vault(tmp_path) as fixture:
        assert fixture.vault.status().state == "unlocked"


async def test_store_that_continued_elsewhere_is_detected(tmp_path: Path) -> None:
    """A copy continues on another machine beyond the anchor, with a different entry there."""
    async with vault_fixture.open_vault(tmp_path) as fixture:
        await fixture.put()
    restore = _snapshot(tmp_path, "data")
    async with vault_fixture.open_vault(tmp_path) as fixture:
        await fixture.put("sk-test-revoked-0123456789")
    anchor = _snapshot(tmp_path, "state")
    restore()
    _anchor_of(tmp_path).unlink()
    async with vault_fixture.open_vault(tmp_path) as fixture:
        for _ in range(3):
            await fixture.put()
    anchor()
    async with vault_fixture.open_vault(tmp_path) as fixture:
        assert fixture.vault.status().reason == "rollback"
        result = await _verify(fixture)
        assert (result.fault, result.first_bad_seq) == ("truncated", 3)


def _meta(folder: Path) -> tuple[Any, ...]:
    with tampering(folder) as raw:
        return tuple(raw.execute("SELECT * FROM meta").fetchone())


def _replace_meta(folder: Path, row: tuple[Any, ...]) -> None:
    with tampering(folder) as raw:
        raw.execute("DELETE FROM meta")
        raw.execute(f"INSERT INTO meta VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608


async def test_entries_past_the_recorded_end_are_detected(
    fixture: VaultFixture, tmp_path: Path
) -> None:
    """The meta row is authentic, but of an earlier time; the entries after it are authentic too."""
    before = _meta(tmp_path)
    for _ in range(2):
        await fixture.put()
    _replace_meta(tmp_path, before)
    result = await _verify(fixture)
    assert (result.ok, result.fault, result.first_bad_seq) == (False, "order", 9)
    assert "after the recorded end" in result.message


async def test_recorded_end_of_a_store_that_continued_elsewhere_is_detected(tmp_path: Path) -> None:
    """Both stores are authentic and of the same length; the end of one is put into the other."""
    async with vault_fixture.open_vault(tmp_path) as fixture:
        await fixture.put()
    restore = _snapshot(tmp_path, "data")
    async with vault_fixture.open_vault(tmp_path) as fixture:
        await fixture.put()
    elsewhere = _meta(tmp_path)
    restore()
    _anchor_of(tmp_path).unlink()
    async with vault_fixture.open_vault(tmp_path) as fixture:
        await fixture.put()
        _replace_meta(tmp_path, elsewhere)
        result = await _verify(fixture)
        assert (result.ok, result.fault, result.first_bad_seq) == (False, "mac", 3)
        assert "not the recorded end" in result.message


async def test_row_restored_from_an_older_copy_is_detected(
    fixture: VaultFixture, tmp_path: Path
) -> None:
    """The MAC of the row is authentic; only the log shows that the row is old."""
    with tampering(tmp_path) as raw:
        old = tuple(raw.execute("SELECT * FROM key_entry WHERE is_default = 1").fetchone())
    first, *_ = (await fixture.vault.read(lambda tx: keys.list_keys(tx, ACCOUNT))).rows
    await _set(fixture, first.key_id, "softDisabled")
    with tampering(tmp_path) as raw:
        raw.execute("DELETE FROM key_entry WHERE is_default = 1")
        placeholders = ", ".join("?" * len(old))
        raw.execute(f"INSERT INTO key_entry VALUES ({placeholders})", old)  # noqa: S608
    assert await fixture.open(first.key_id)
    result = await _verify(fixture)
    assert (result.fault, result.first_bad_seq) == ("tables", 9)
    assert result.keys == (first.key_id,)
    listing = (await fixture.vault.read(lambda tx: keys.list_keys(tx, ACCOUNT))).rows
    assert [row.usable for row in listing] == [row.key_id != first.key_id for row in listing]
    await _set(fixture, first.key_id, "active")  # accepted by the person, and recorded
    assert (await _verify(fixture)).ok
    assert (await fixture.vault.read(lambda tx: keys.get(tx, ACCOUNT, first.key_id))).usable


def _anchor_of(folder: Path) -> Path:
    return next((folder / "state").glob("anchor-*"))


@pytest.mark.parametrize("damage", [b"", b"x" * 50, None])
async def test_damaged_anchor_is_a_fault(tmp_path: Path, damage: bytes | None) -> None:
    async with vault_fixture.open_vault(tmp_path) as fixture:
        await fixture.put()
    if damage is None:
        _anchor_of(tmp_path).unlink()
    else:
        _anchor_of(tmp_path).write_bytes(damage)
    async with vault_fixture.open_vault(tmp_path) as fixture:
        result = await _verify(fixture)
        assert result.ok is (damage is None)
        assert result.fault == (None if damage is None else "mac")
        assert "anchor" in result.message
        await fixture.put()  # changes are possible
    if damage is not None:
        assert _anchor_of(tmp_path).read_bytes() == damage  # the anchor stays


async def test_log_of_another_store_is_refused(fixture: VaultFixture, tmp_path: Path) -> None:
    other_folder = tmp_path / "other"
    async with vault_fixture.open_vault(other_folder) as other:
        for _ in range(9):
            await other.put()
    with tampering(other_folder) as raw:
        entries = [tuple(row) for row in raw.execute("SELECT * FROM audit")]
    with tampering(tmp_path) as raw:
        raw.execute("DELETE FROM audit")
        raw.executemany("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", entries)
    result = await _verify(fixture)
    assert (result.fault, result.first_bad_seq) == ("foreignStore", 1)


@pytest.mark.parametrize("anchored", [True, False])
async def test_log_truncated_at_any_entry_is_detected(
    fixture: VaultFixture, tmp_path: Path, *, anchored: bool
) -> None:
    """The recorded end in `meta` stays; with and without an anchor."""
    if anchored:
        await fixture.write_anchor()
    with tampering(tmp_path) as raw:
        entries = [tuple(row) for row in raw.execute("SELECT * FROM audit ORDER BY seq")]
    for seq in range(len(entries)):
        with tampering(tmp_path) as raw:
            raw.execute("DELETE FROM audit WHERE seq > ?", (seq,))
        result = await _verify(fixture)
        assert (result.fault, result.first_bad_seq) == ("truncated", seq + 1)
        with tampering(tmp_path) as raw:
            raw.executemany(
                "INSERT OR REPLACE INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", entries
            )
    assert (await _verify(fixture)).ok
