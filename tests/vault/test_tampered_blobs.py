"""Sealed blobs and rows: moved, truncated, extended or flipped ones are refused."""

from __future__ import annotations

import sqlite3
from itertools import permutations
from pathlib import Path

import pytest

from byokd.core.secret import Secret
from byokd.crypto.envelope import EnvelopeError, open_blob, seal
from byokd.protocol.errors import VaultCorrupt
from byokd.vault import VaultTx, keys, rows
from vault import vault_fixture
from vault.vault_fixture import tampering

_PARENT, _FIELDS = bytes(range(32)), ("store", "acct-1", 3)
_PLAINTEXTS = (b"k" * 40, b"k" * 100, b"k" * 170)
"""Of 64, 128 and 192 bytes when they are padded."""


def _accepted(blob: bytes) -> bool:
    try:
        open_blob(_PARENT, "api-key", _FIELDS, blob)
    except EnvelopeError:
        return False
    return True


def test_changed_truncated_or_extended_blob_is_refused() -> None:
    flips = cuts = extensions = accepted = 0
    for plaintext in _PLAINTEXTS:
        blob = seal(_PARENT, "api-key", _FIELDS, plaintext)
        assert _accepted(blob)
        for bit in range(8 * len(blob)):
            flipped = bytearray(blob)
            flipped[bit // 8] ^= 1 << bit % 8
            accepted += _accepted(bytes(flipped))
            flips += 1
        for length in range(len(blob)):
            accepted += _accepted(blob[:length])
            cuts += 1
        for more in range(1, 65):
            accepted += _accepted(blob + bytes(more))
            extensions += 1
    print(f"T3: {flips} flips, {cuts} cuts, {extensions} extensions: {accepted} accepted")
    assert (flips, cuts, extensions, accepted) == (5304, 663, 192, 0)


@pytest.mark.anyio
async def test_row_copied_over_another_is_refused(tmp_path: Path) -> None:
    """Copy blobs between the rows of two accounts, three providers and two versions."""
    blobs: list[tuple[bytes, bytes, bytes, int]] = []
    where: dict[bytes, tuple[str, str]] = {}

    def _rows(raw: sqlite3.Connection) -> list[tuple[bytes, bytes, bytes, int]]:
        rows = raw.execute("SELECT key_id, blob, meta, version FROM key_entry").fetchall()
        return [tuple(row) for row in rows]

    async with vault_fixture.open_vault(tmp_path) as fixture:
        for account in ("one", "two"):
            for provider in ("a", "b", "c"):
                stored = await fixture.put(account=account, provider=provider)
                where[rows.key_id_to_bytes(stored.key_id)] = account, stored.key_id
        with tampering(tmp_path) as raw:
            blobs += _rows(raw)
        for account, key_id in where.values():

            def rotate(tx: VaultTx, account: str = account, key_id: str = key_id) -> None:
                secret: dict[str, Secret | str] = {"apiKey": Secret("sk-test-other-0123456789")}
                keys.rotate(tx, account, key_id, secret, at=fixture.now())
                fixture.note(tx, "key.rotated", key_id, account=account)

            await fixture.vault.transaction(rotate)
        with tampering(tmp_path) as raw:
            blobs += _rows(raw)
            whole = {row["key_id"]: tuple(row) for row in raw.execute("SELECT * FROM key_entry")}
        rejected = tried = 0
        for source, target in permutations(blobs, 2):
            tried += 1
            moved = target[0]
            with tampering(tmp_path) as raw:
                raw.execute(
                    "UPDATE key_entry SET blob = ?, meta = ? WHERE key_id = ?",
                    (source[1], source[2], moved),
                )
                if source[0] == moved and source[3] == 2:  # the same row: nothing was moved
                    raw.execute("UPDATE key_entry SET version = 1 WHERE key_id = ?", (moved,))
            try:
                await fixture.open(where[moved][1], where[moved][0])
            except VaultCorrupt:
                rejected += 1
            with tampering(tmp_path) as raw:
                raw.execute("DELETE FROM key_entry WHERE key_id = ?", (moved,))
                placeholders = ", ".join("?" * len(whole[moved]))
                raw.execute(f"INSERT INTO key_entry VALUES ({placeholders})", whole[moved])  # noqa: S608
        print(f"T6: {tried} ordered swaps: {rejected} rejected")
        assert (tried, rejected) == (132, 132)
        assert (await fixture.verify()).ok
