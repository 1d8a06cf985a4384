"""`byokd audit`: exports are verified, and stores that were replaced or changed are detected."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from byokd.cli import audit_file
from byokd.store.paths import store_paths
from cli.shell import Byokd
from sandbox_env import GENERIC, KEY

Lines = list[str]

_ADD = f"keys add {GENERIC} --base-url http://127.0.0.1:9/v1 --probe skip --stdin"


@pytest.fixture
def byokd(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Byokd]:
    monkeypatch.setattr(audit_file, "PAGE_MAX_ITEMS", 2)  # an export is checked in pages
    run = Byokd(tmp_path / "vault", capsys, monkeypatch)
    run("vault init --protection keyFile --accept-risk keyFile")
    yield run
    run.restart()


def _edited(lines: Lines) -> Lines:
    return [*lines[:2], lines[2].replace('"actor": "', '"actor": "x'), *lines[3:]]


_DAMAGE: dict[str, tuple[Callable[[Lines], Lines], str]] = {
    "edited": (_edited, "at entry 2 (mac)"),
    "one removed": (lambda lines: [*lines[:2], *lines[3:]], "at entry 2 (gap)"),
    "one repeated": (lambda lines: [*lines[:3], *lines[2:]], "at entry 3 (dup)"),
    "exchanged": (lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]], "at entry 2 (gap)"),
    "end removed": (lambda lines: [*lines[:-2], lines[-1]], "at entry 5 (truncated)"),
    "another store": (
        lambda lines: [lines[0].replace(json.loads(lines[0])["storeId"], "0" * 32), *lines[1:]],
        "at entry 1 (foreignStore)",
    ),
    "cut": (lambda lines: lines[:-1], "was cut off"),
    "cut in a line": (lambda lines: [*lines[:-2], lines[-2][:20]], "line 6 is not part"),
    "only a head": (lambda lines: [lines[0], lines[-1]], "(truncated)"),
    "empty": (lambda _: [], "line 1 is not part"),
    "something else": (lambda _: ['{"form": "diary/1"}'], "is not an exported audit log"),
    "no entries": (lambda lines: [lines[0], '{"a": 1}', *lines[1:]], "is not an entry of"),
}  # fmt: skip


def test_verify_detects_changed_export(byokd: Byokd, tmp_path: Path) -> None:
    for _ in range(2):
        byokd(_ADD, stdin=KEY)
    early = byokd("audit head").splitlines()
    for _ in range(2):
        byokd(_ADD, stdin=KEY)
    file = tmp_path / "audit.jsonl"
    byokd(f"audit export --out {file}")
    byokd(f"audit export --out {file}", code=1)
    assert "exists already" in byokd.err
    lines = file.read_text(encoding="utf-8").splitlines()
    assert byokd("audit export").splitlines() == lines
    head = byokd("audit head").splitlines()

    whole = f"audit verify --from {file}"
    assert byokd(whole) == "complete and unchanged; entries: 5\n"
    assert byokd(f"{whole} --head {head[-1]}").endswith("is entry 5\n")
    assert byokd(f"{whole} --head {early[-1]}").endswith("is entry 3\n")
    assert byokd(f"{whole} --head " + "\\n".join(early)).endswith("is entry 3\n")
    assert byokd(f"audit verify --head {early[-1]}").endswith("is entry 3\n")
    for unknown in ("A" * 43 + "=", "\\n".join([*early[:1], "4", early[-1]])):
        for command in (whole, "audit verify"):
            byokd(f"{command} --head {unknown}", code=1)
            assert "(truncated)" in byokd.err
    byokd(f"{whole} --head #", code=1)
    assert "must be a checkpoint or its last line" in byokd.err

    damaged = tmp_path / "damaged.jsonl"
    for name, (damage, error_text) in _DAMAGE.items():
        damaged.write_text("".join(f"{line}\n" for line in damage(lines)), encoding="utf-8")
        assert damaged.read_bytes() != file.read_bytes(), name
        byokd(f"audit verify --from {damaged}", code=1)
        assert error_text in byokd.err, (name, byokd.err)

    byokd.restart()
    byokd.folder = tmp_path / "elsewhere"
    assert byokd(whole) == "complete and unchanged; entries: 5\n"
    assert "only the hashes" in byokd.err


def test_person_accepts_older_store(byokd: Byokd) -> None:
    file = store_paths(byokd.folder).vault_db
    key_id = byokd(_ADD, stdin=KEY).split()[1]
    byokd.restart()
    older = file.read_bytes()
    byokd(f"keys remove {key_id} --yes")
    byokd.restart()
    file.write_bytes(older)

    for command in ("keys list", "vault unlock"):
        byokd(command, code=1)
        assert "byokd vault unlock --accept-rollback" in byokd.err
    assert "rollback" in byokd("vault status")
    byokd("audit verify", code=1)
    assert "(truncated)" in byokd.err
    assert "unlocked" in byokd("vault unlock --accept-rollback")
    byokd.restart()
    assert key_id in byokd("keys list")
    assert byokd("audit verify").startswith("complete and unchanged")
    events = byokd("audit list")
    assert "store.rollback_detected" in events
    assert "store.rollback_accepted" in events


def test_key_deleted_outside_byokd_is_removed(byokd: Byokd) -> None:
    deleted_id, remaining_id = [byokd(_ADD, stdin=KEY).split()[1] for _ in range(2)]
    raw = sqlite3.connect(store_paths(byokd.folder).vault_db)
    with raw:
        raw.execute("DELETE FROM key_entry WHERE is_default = 1")
    raw.close()
    byokd("audit verify", code=1)
    assert "(tables)" in byokd.err
    assert f"key {deleted_id} is missing without an entry" in byokd.err
    assert byokd(f"keys remove {deleted_id} --yes") == f"removed {deleted_id}\n"
    assert byokd("audit verify").startswith("complete and unchanged")
    byokd(f"keys remove {deleted_id} --yes", code=1)
    assert "there is no such key" in byokd.err
    [entry] = [
        item for item in json.loads(byokd("audit list --json")) if item["event"] == "key.deleted"
    ]
    assert (entry["keyId"], entry["details"]["cause"]) == (deleted_id, "integrity")
    assert remaining_id in byokd("keys list")
