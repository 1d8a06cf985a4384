"""The file that carries keys: a known answer, and the outcome of every change."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from byokd.core.limits import (
    EXPORT_FILE_MAX_BYTES,
    KEYS_PER_ACCOUNT_MAX,
    SEALED_PLAINTEXT_MAX_BYTES,
)
from byokd.crypto import export_file
from byokd.crypto.encoding import pack
from byokd.crypto.export_file import MAGIC, ExportFileError

KEY, OTHER = bytes(range(32)), bytes(32)
COST = b"the cost of a passphrase"
TEXTS = [b"first", b"second", b"third"]
VECTOR = json.loads(
    (Path(__file__).parents[1] / "vectors" / "crypto" / "bundle.json").read_text(encoding="utf-8")
)


def _open(data: bytes, key: bytes = KEY) -> list[bytes]:
    return [bytes(text) for text in export_file.open_records(key, export_file.read(data))]


def _fault(data: bytes, key: bytes = KEY) -> str:
    with pytest.raises(ExportFileError) as refused:
        _open(data, key)
    return refused.value.fault


def _signed(body: bytes) -> bytes:
    """Return a file with a correct digest over any content."""
    return body + hashlib.sha256(body).digest()


FILE = export_file.write(KEY, COST, TEXTS)
BODY = FILE[:-32]


def test_export_file_round_trips() -> None:
    assert _open(FILE) == TEXTS
    assert export_file.read(FILE).cost == COST
    assert export_file.write(KEY, COST, TEXTS) != FILE, "each file has new salts"
    assert _open(export_file.write(KEY, COST, [b"x" * SEALED_PLAINTEXT_MAX_BYTES])) != [b""]


def test_known_export_file_opens() -> None:
    """This file was written once; every later version must open it."""
    data, key = bytes.fromhex(VECTOR["file"]), bytes.fromhex(VECTOR["key"])
    assert export_file.read(data).cost.hex() == VECTOR["cost"]
    assert [text.hex() for text in _open(data, key)] == VECTOR["records"]


def test_other_key_is_a_wrong_passphrase() -> None:
    assert _fault(FILE, OTHER) == "wrongPassphrase"


def test_truncated_or_flipped_file_is_damaged() -> None:
    for at in range(len(FILE)):
        assert _fault(FILE[:at]) == ("notABundle" if at < len(MAGIC) else "damaged")
        flipped = FILE[:at] + bytes([FILE[at] ^ 1]) + FILE[at + 1 :]
        expected = "notABundle" if at < len(MAGIC) else "damaged"
        assert _fault(flipped) == expected
    assert _fault(FILE + b"\0") == "damaged"


def test_change_with_a_corrected_digest_is_detected() -> None:
    for at in range(len(MAGIC) + 1, len(BODY)):
        for bit in (1, 128):
            body = BODY[:at] + bytes([BODY[at] ^ bit]) + BODY[at + 1 :]
            assert _fault(_signed(body)) in {"damaged", "wrongPassphrase"}


def test_removed_moved_or_added_record_is_detected() -> None:
    records = export_file.read(FILE).records
    foreign_records = export_file.read(export_file.write(KEY, COST, TEXTS)).records

    def file(*chosen: bytes, count: int | None = None) -> bytes:
        head = MAGIC + b"\x01" + pack(COST, len(chosen) if count is None else count)
        return _signed(head + pack(*chosen))

    assert _open(file(*records)) == TEXTS
    assert _open(file(*foreign_records)) == TEXTS
    for chosen in (records[:2], records[::-1], (*records, records[0])):
        assert _fault(file(*chosen)) in {"damaged", "wrongPassphrase"}
    assert _fault(file(*records[:2], count=3)) == "damaged"
    assert _fault(file(*records, count=2)) == "damaged"
    assert _fault(file(count=0)) == "damaged"


def test_other_file_version_is_refused() -> None:
    assert _fault(_signed(MAGIC + b"\x02" + BODY[len(MAGIC) + 1 :])) == "newer"
    assert _fault(MAGIC + b"\xff a layout that nobody knows yet") == "newer"
    assert _fault(_signed(MAGIC + b"\x00" + BODY[len(MAGIC) + 1 :])) == "damaged"


def test_export_file_over_the_limits_is_refused() -> None:
    assert _fault(MAGIC + b"\x01" + bytes(EXPORT_FILE_MAX_BYTES - len(MAGIC))) == "tooLarge"
    assert _fault(MAGIC + b"\x01" + bytes(EXPORT_FILE_MAX_BYTES - len(MAGIC) - 1)) == "damaged"
    large = [b"x" * SEALED_PLAINTEXT_MAX_BYTES] * (
        EXPORT_FILE_MAX_BYTES // SEALED_PLAINTEXT_MAX_BYTES
    )
    with pytest.raises(ExportFileError, match="tooLarge"):
        export_file.write(KEY, COST, large)
    assert len(_open(export_file.write(KEY, COST, large[1:-1]))) == len(large) - 2
    assert len(_open(export_file.write(KEY, COST, [b"x"] * KEYS_PER_ACCOUNT_MAX))) == 1000
    assert _fault(export_file.write(KEY, COST, [b"x"] * (KEYS_PER_ACCOUNT_MAX + 1))) == "damaged"
