"""Keys: sealed for one account, provider, version and origin, and usable for nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from byokd.core.limits import KEYS_PER_ACCOUNT_MAX, LAST_USED_STEP_MS
from byokd.core.secret import Secret
from byokd.protocol.errors import Conflict, Internal, NotFound, VaultCorrupt
from byokd.protocol.key import KeyState
from byokd.vault import KeyRow, NewKey, VaultTx, keys, rows
from vault import vault_fixture
from vault.vault_fixture import ACCOUNT, ORIGIN, PROVIDER, SECRET, VaultFixture, tampering

pytestmark = pytest.mark.anyio


@pytest.fixture
async def fixture(tmp_path: Path) -> AsyncIterator[VaultFixture]:
    async with vault_fixture.open_vault(tmp_path) as opened:
        yield opened


def _everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def _row(fixture: VaultFixture, key_id: str, account: str = ACCOUNT) -> KeyRow:
    return await fixture.vault.read(lambda tx: keys.get(tx, account, key_id))


async def _default(fixture: VaultFixture, provider: str = PROVIDER) -> str | None:
    row = await fixture.vault.read(lambda tx: keys.default_key(tx, ACCOUNT, provider))
    return row.key_id if row else None


async def test_key_row_shows_everything_but_the_secret(fixture: VaultFixture) -> None:
    fields: dict[str, Secret | str] = {
        "secretAccessKey": Secret("test-0123456789-secret-wxyz"),
        "accessKeyId": Secret("short"),
        "region": "eu-west-1",
    }
    row = await fixture.put(
        fields=fields, label="work ✓", base_url=f"{ORIGIN}/v1", allow_insecure=True
    )
    assert re.fullmatch(r"key_[a-z2-7]{26}", row.key_id)
    assert (row.version, row.state, row.is_default, row.health) == (1, "active", True, {})
    assert (row.label, row.base_url, row.origin) == ("work ✓", f"{ORIGIN}/v1", ORIGIN)
    assert row.allow_insecure
    assert row.last4 == "wxyz"
    assert row.fields == {"secretAccessKey": None, "accessKeyId": None, "region": "eu-west-1"}
    assert await _row(fixture, row.key_id) == row
    opened = await fixture.vault.read(lambda tx: keys.open_key(tx, ACCOUNT, row.key_id))
    assert opened.fields == fields
    assert isinstance(opened.fields["accessKeyId"], Secret)
    assert isinstance(opened.fields["region"], str)
    assert "0123456789" not in repr(opened) + repr(row)


async def test_database_file_contains_no_confidential_text(
    fixture: VaultFixture, tmp_path: Path
) -> None:
    secret = "sk-test-0123456789-éßµ§"  # no four ASCII letters, which random ids hold by chance
    row = await fixture.put(secret, label="a label", base_url=f"{ORIGIN}/secret-path")
    assert row.last4 == "éßµ§"
    await fixture.vault.aclose()
    everything = _everything(tmp_path)
    for text in (secret, row.last4, "a label", "secret-path", secret[::-1]):
        for form in (text, json.dumps(text)[1:-1], text.encode().hex()):
            assert form.encode() not in everything
    assert ORIGIN.encode() in everything


async def test_key_without_fields_stores_its_origin(fixture: VaultFixture) -> None:
    row = await fixture.put(fields={})
    opened = await fixture.vault.read(lambda tx: keys.open_key(tx, ACCOUNT, row.key_id))
    assert opened.fields == {}
    assert row.last4 is None


async def _named(fixture: VaultFixture, key_id: str, label: str | None) -> KeyRow:
    def write(tx: VaultTx) -> KeyRow:
        row = keys.set_label(tx, ACCOUNT, key_id, label)
        fixture.note(tx, "key.label_set", key_id)
        return row

    return await fixture.vault.transaction(write)


async def test_label_is_changed_and_what_is_sealed_stays(fixture: VaultFixture) -> None:
    row = await fixture.put(label="work", base_url=f"{ORIGIN}/v1")
    after = await _named(fixture, row.key_id, "home")
    assert after.sealed.blob == row.sealed.blob
    assert (after.label, after.version, after.fingerprint) == ("home", 1, row.fingerprint)
    assert (after.base_url, after.last4, after.fields) == (row.base_url, row.last4, row.fields)
    assert await _row(fixture, row.key_id) == after
    opened = await fixture.vault.read(lambda tx: keys.open_key(tx, ACCOUNT, row.key_id))
    assert opened.fields == {"apiKey": Secret(SECRET)}
    assert (await _named(fixture, row.key_id, None)).label is None
    assert (await fixture.verify()).ok


async def test_two_keys_of_a_provider_do_not_get_one_label(fixture: VaultFixture) -> None:
    first, second = await fixture.put(label="work"), await fixture.put(label="home")
    with pytest.raises(Conflict) as refused:
        await _named(fixture, second.key_id, "work")
    assert refused.value.fields["details"] == {"reason": "label"}
    assert (await _row(fixture, second.key_id)).label == "home"
    assert (await _named(fixture, first.key_id, "work")).label == "work", "its own label is free"
    other = await fixture.put(label="elsewhere", provider="another")
    assert (await _named(fixture, other.key_id, "work")).label == "work"


async def test_label_of_a_failed_transaction_is_not_kept(fixture: VaultFixture) -> None:
    row = await fixture.put(label="work")

    def fail(tx: VaultTx) -> None:
        keys.set_label(tx, ACCOUNT, row.key_id, "home")
        raise NotFound("the change fails after the label was written")

    with pytest.raises(NotFound):
        await fixture.vault.transaction(fail)
    assert await _row(fixture, row.key_id) == row


async def test_label_stays_with_a_rotation_and_a_new_data_key(fixture: VaultFixture) -> None:
    row = await fixture.put()
    named = await _named(fixture, row.key_id, "work")
    await fixture.vault.transaction(lambda tx: keys.reseal_account(tx, ACCOUNT, at=fixture.now()))
    assert (await _row(fixture, row.key_id)).label == "work"
    again = await _named(fixture, row.key_id, "home")
    assert again.sealed.meta_version > named.sealed.meta_version + 1


async def test_rotation_replaces_the_fields_and_overwrites_the_old_ciphertext(
    fixture: VaultFixture, tmp_path: Path
) -> None:
    row = await fixture.put(SECRET, label="work")
    old_blob = row.sealed.blob

    def soft_disabled(tx: VaultTx) -> None:
        keys.set_state(tx, ACCOUNT, row.key_id, to="softDisabled", at=1, health={"rejections": 3})
        fixture.note(tx, "key.soft_disabled", row.key_id)

    def rotate(tx: VaultTx) -> KeyRow:
        fields = {"apiKey": Secret("sk-test-new-0123456789")}
        after = keys.rotate(tx, ACCOUNT, row.key_id, fields, at=fixture.now())
        fixture.note(tx, "key.rotated", row.key_id)
        return after

    await fixture.vault.transaction(soft_disabled)
    after = await fixture.vault.transaction(rotate)
    assert (after.version, after.state, after.reason, after.health) == (2, "active", None, {})
    assert (after.label, after.origin, after.key_id) == (row.label, row.origin, row.key_id)
    assert after.fingerprint != row.fingerprint
    assert (after.last4, after.disabled_at) == ("6789", None)
    assert await fixture.open(row.key_id) == "sk-test-new-0123456789"
    await fixture.vault.aclose()
    assert old_blob not in (tmp_path / "data/vault.db").read_bytes()
    assert old_blob[33:] not in (tmp_path / "data/vault.db-journal").read_bytes()


async def test_deleted_key_leaves_no_ciphertext_in_the_file(
    fixture: VaultFixture, tmp_path: Path
) -> None:
    row = await fixture.put()
    await fixture.delete(row.key_id)
    with pytest.raises(NotFound):
        await fixture.open(row.key_id)
    await fixture.vault.aclose()
    left = (tmp_path / "data/vault.db").read_bytes()
    assert row.sealed.blob not in left
    assert row.sealed.meta not in left


async def test_provider_has_exactly_one_default_key(fixture: VaultFixture) -> None:
    first = await fixture.put()
    second = await fixture.put()
    other_row = await fixture.put(provider="elsewhere")
    assert (first.is_default, second.is_default, other_row.is_default) == (True, False, True)
    third = await fixture.put(make_default=True)
    assert await _default(fixture) == third.key_id
    await fixture.set_default(first.key_id)
    await fixture.vault.transaction(lambda tx: keys.set_default(tx, ACCOUNT, first.key_id))
    assert await _default(fixture) == first.key_id
    await fixture.delete(first.key_id)
    assert await _default(fixture) == third.key_id  # the newest
    await _set(fixture, second.key_id, "userDisabled")
    await fixture.delete(third.key_id)
    assert await _default(fixture) is None  # the only remaining key is disabled
    await _set(fixture, second.key_id, "active")
    assert await _default(fixture) == second.key_id
    assert await _default(fixture, "elsewhere") == other_row.key_id
    assert await _default(fixture, "nowhere") is None


async def _set(fixture: VaultFixture, key_id: str, to: KeyState, **conditions: object) -> KeyRow:
    def work(tx: VaultTx) -> KeyRow:
        row = keys.set_state(tx, ACCOUNT, key_id, to=to, at=fixture.now(), **conditions)  # type: ignore[arg-type]
        if key_id in tx.unrecorded_keys:
            fixture.note(tx, vault_fixture.STATE_EVENTS[to], key_id)
        return row

    return await fixture.vault.transaction(work)


async def test_state_change_sets_reason_and_time(fixture: VaultFixture) -> None:
    row = await fixture.put()
    suspect = await _set(fixture, row.key_id, "suspect", health={"rejections": 3})
    assert suspect.usable
    assert suspect.health == {"rejections": 3}
    assert suspect.disabled_at is None
    disabled = await _set(fixture, row.key_id, "softDisabled", reason="rejected")
    assert not disabled.usable
    assert disabled.reason == "rejected"
    assert disabled.disabled_at
    active = await _set(fixture, row.key_id, "active", health={})
    assert (active.reason, active.disabled_at, active.health) == (None, None, {})


_STALE = [{"version": 2}, {"from_states": {"suspect"}}, {"row_gen": 7}]


@pytest.mark.parametrize("conditions", _STALE, ids=str)
async def test_state_change_of_an_outdated_view_is_a_conflict(
    fixture: VaultFixture, conditions: dict[str, object]
) -> None:
    row = await fixture.put()
    with pytest.raises(Conflict):
        await _set(fixture, row.key_id, "softDisabled", **conditions)
    assert (await _row(fixture, row.key_id)).state == "active"
    now = {"version": 1, "from_states": {"active"}, "row_gen": row.row_gen}
    assert (await _set(fixture, row.key_id, "softDisabled", **now)).state == "softDisabled"


async def test_outdated_row_does_not_overwrite_a_newer_one(fixture: VaultFixture) -> None:
    row = await fixture.put()

    def twice(tx: VaultTx) -> None:
        keys.set_health(tx, ACCOUNT, row.key_id, version=1, health={"a": 1})
        rows.update_row(tx, row)

    with pytest.raises(Conflict):
        await fixture.vault.transaction(twice)
    assert (await _row(fixture, row.key_id)).health == {}


async def test_health_of_a_replaced_version_is_ignored(fixture: VaultFixture) -> None:
    row = await fixture.put()

    async def note(version: int, key_id: str = row.key_id) -> KeyRow | None:
        return await fixture.vault.transaction(
            lambda tx: keys.set_health(tx, ACCOUNT, key_id, version=version, health={"n": 1})
        )

    after = await note(1)
    assert after is not None
    assert after.health == {"n": 1}
    unchanged = await note(1)
    assert unchanged is not None
    assert unchanged.row_gen == after.row_gen
    assert await note(2) is None
    assert await note(1, "key_" + "a" * 26) is None


@pytest.mark.parametrize(
    ("later_ms", "written"), [(0, False), (LAST_USED_STEP_MS - 1, False), (LAST_USED_STEP_MS, True)]
)
async def test_last_use_is_written_at_intervals(
    fixture: VaultFixture, *, later_ms: int, written: bool
) -> None:
    row = await fixture.put()

    async def used(at: int, key_id: str = row.key_id) -> bool:
        return await fixture.vault.transaction(
            lambda tx: keys.record_use(tx, ACCOUNT, key_id, at=at)
        )

    assert await used(5_000)
    assert await used(5_000 + later_ms) is written
    assert await used(1_000)  # the clock was set back
    assert not await used(1_000, "key_" + "a" * 26)


async def test_key_of_another_account_is_not_found(fixture: VaultFixture) -> None:
    row = await fixture.put(account="mine")
    twin = await fixture.put(account="yours")
    assert row.fingerprint != twin.fingerprint
    calls: list[Callable[[VaultTx], object]] = [
        lambda tx: keys.get(tx, "yours", row.key_id),
        lambda tx: keys.open_key(tx, "yours", row.key_id),
        lambda tx: keys.delete(tx, "yours", row.key_id),
        lambda tx: keys.rotate(tx, "yours", row.key_id, {}, at=1),
        lambda tx: keys.set_default(tx, "yours", row.key_id),
        lambda tx: keys.set_state(tx, "yours", row.key_id, to="active", at=1),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            await fixture.vault.transaction(call)
    listing = await fixture.vault.read(lambda tx: keys.list_keys(tx, "yours"))
    assert [listed.key_id for listed in listing.rows] == [twin.key_id]
    assert (await _row(fixture, row.key_id, "mine")).is_default


@pytest.mark.parametrize("key_id", ["", "x", "key_", "key_é", "key_" + "a" * 25, "key_" + "1" * 26])
async def test_malformed_id_is_not_found(fixture: VaultFixture, key_id: str) -> None:
    with pytest.raises(NotFound):
        await fixture.open(key_id)


async def test_equal_secrets_have_equal_fingerprints_per_account(fixture: VaultFixture) -> None:
    fields = {"apiKey": Secret(SECRET)}

    async def of(account: str, provider: str = PROVIDER) -> str | None:
        return await fixture.vault.read(
            lambda tx: keys.fingerprint_of(tx, account, provider, fields)
        )

    assert await of(ACCOUNT) is None
    row = await fixture.put()
    assert await of(ACCOUNT) == row.fingerprint
    assert await of(ACCOUNT, "elsewhere") != row.fingerprint


async def test_key_beyond_the_limit_is_a_conflict(
    fixture: VaultFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "KEYS_PER_ACCOUNT_MAX", 3)
    assert KEYS_PER_ACCOUNT_MAX == 1_000
    for _ in range(3):
        await fixture.put()
    with pytest.raises(Conflict, match="holds 3 keys"):
        await fixture.put()
    await fixture.put(account="another")


async def test_change_without_audit_entry_is_rolled_back(fixture: VaultFixture) -> None:
    row = await fixture.put()
    unrecorded: list[Callable[[VaultTx], object]] = [
        lambda tx: keys.delete(tx, ACCOUNT, row.key_id),
        lambda tx: keys.rotate(tx, ACCOUNT, row.key_id, {"apiKey": Secret("x")}, at=1),
        lambda tx: keys.set_state(tx, ACCOUNT, row.key_id, to="userDisabled", at=1),
        lambda tx: keys.put(tx, ACCOUNT, NewKey(PROVIDER, ORIGIN, {}), at=1),
    ]
    for work in unrecorded:
        with pytest.raises(Internal, match="audit"):
            await fixture.vault.transaction(work)
    assert await _row(fixture, row.key_id) == row
    assert await fixture.open(row.key_id) == SECRET


# --- tampering ------------------------------------------------------------------------------------

_COLUMNS: dict[str, object] = {
    "account_id": "other",
    "provider_id": "elsewhere",
    "version": 9,
    "origin": "https://attacker.example:443",
    "allow_insecure": 1,
    "is_default": 0,
    "state": "suspect",
    "reason": "none",
    "fingerprint": "0" * 16,
    "health": '{"rejections": 0}',
    "created_at": 1,
    "rotated_at": 1,
    "last_used_at": 1,
    "disabled_at": 1,
    "meta_version": 2,
    "dek_version": 2,
    "meta": b"\1" * 157,
    "blob": b"\1" * 157,
    "row_gen": 9,
    "row_mac": bytes(32),
}


@pytest.mark.parametrize("column", _COLUMNS)
async def test_changed_column_breaks_only_its_key(
    fixture: VaultFixture, tmp_path: Path, column: str
) -> None:
    row, other_row = await fixture.put(), await fixture.put("sk-test-other-0123456789")
    with tampering(tmp_path) as raw:
        raw.execute(
            f"UPDATE key_entry SET {column} = ? WHERE created_at = ?",  # noqa: S608
            (_COLUMNS[column], row.created_at),
        )
    with pytest.raises(NotFound if column == "account_id" else VaultCorrupt):
        await fixture.open(row.key_id)
    if column == "account_id":
        with pytest.raises(VaultCorrupt):
            await fixture.open(row.key_id, "other")
    else:
        listing = await fixture.vault.read(lambda tx: keys.list_keys(tx, ACCOUNT))
        assert listing.broken == (row.key_id,)
        assert [listed.key_id for listed in listing.rows] == [other_row.key_id]
    assert await fixture.open(other_row.key_id) == "sk-test-other-0123456789"
    await fixture.delete(row.key_id, "other" if column == "account_id" else ACCOUNT)
    assert await fixture.open(other_row.key_id) == "sk-test-other-0123456789"


async def test_swapped_ciphertexts_are_refused(fixture: VaultFixture, tmp_path: Path) -> None:
    """Swap between accounts, providers and keys, with and without the MAC of the source row."""
    stored = [
        await fixture.put(f"sk-test-0123456789-{account}-{provider}-{n}", account=account,
                        provider=provider)
        for account in ("one", "two")
        for provider in ("alpha", "beta", "gamma")
        for n in (1, 2)
    ]  # fmt: skip
    swaps = 0
    for columns in (["blob"], ["meta"], ["blob", "meta"], ["blob", "meta", "row_mac"]):
        for target, source in [(a, b) for a in stored for b in stored if a is not b]:
            swaps += await _swapped(fixture, tmp_path, target, source, columns)
    assert swaps == 4 * 132


async def _swapped(
    fixture: VaultFixture, folder: Path, target: KeyRow, source: KeyRow, columns: list[str]
) -> int:
    values = ", ".join(
        f"{name} = (SELECT {name} FROM key_entry WHERE created_at = :source)"  # noqa: S608
        for name in columns
    )
    with tampering(folder) as raw:
        before = raw.execute(
            "SELECT blob, meta, row_mac FROM key_entry WHERE created_at = ?", (target.created_at,)
        ).fetchone()
        raw.execute(
            f"UPDATE key_entry SET {values} WHERE created_at = :target",  # noqa: S608
            {"source": source.created_at, "target": target.created_at},
        )
    with pytest.raises(VaultCorrupt):
        await fixture.open(target.key_id, target.account)
    with tampering(folder) as raw:
        raw.execute(
            "UPDATE key_entry SET blob = ?, meta = ?, row_mac = ? WHERE created_at = ?",
            (*before, target.created_at),
        )
    return 1


@pytest.mark.parametrize(
    "change",
    [
        {"account": "other"},
        {"provider": "elsewhere"},
        {"version": 2},
        {"origin": "https://attacker.example:443"},
    ],
    ids=str,
)
async def test_seal_binds_its_fields_even_if_the_row_mac_is_valid(
    fixture: VaultFixture, change: dict[str, object]
) -> None:
    """Somebody who could compute row MACs still cannot move a ciphertext."""
    row = await fixture.put()
    await fixture.put(account="other")

    def work(tx: VaultTx) -> None:
        moved = replace(row, is_default=False, **change)  # type: ignore[arg-type]
        rows.update_row(tx, moved)
        with pytest.raises(VaultCorrupt):
            keys.open_key(tx, moved.account, moved.key_id)

    await fixture.vault.transaction(work)
