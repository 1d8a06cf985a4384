"""The sealed record: a known answer, and every change of it refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from byokd.core.limits import SEALED_PLAINTEXT_MAX_BYTES
from byokd.crypto import envelope
from byokd.crypto.encoding import Element
from byokd.crypto.envelope import EnvelopeError, open_blob, seal, wipe

_VECTOR: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "vectors/crypto/sealed_record.json").read_text()
)
_PARENT = bytes.fromhex(_VECTOR["parent"])
_PURPOSE: str = _VECTOR["purpose"]


def _element(field: dict[str, Any]) -> Element:
    ((kind, value),) = field.items()
    return bytes.fromhex(value) if kind == "bytes" else value


_FIELDS = tuple(_element(field) for field in _VECTOR["fields"])
_DRAWN = (bytes.fromhex(_VECTOR["salt"]), bytes.fromhex(_VECTOR["nonce"]))
_PLAINTEXT: bytes = _VECTOR["plaintext"].encode()
_BLOB = envelope._seal_with(_DRAWN, _PARENT, _PURPOSE, _FIELDS, _PLAINTEXT)


def _refused(blob: bytes) -> bool:
    try:
        open_blob(_PARENT, _PURPOSE, _FIELDS, blob)
    except EnvelopeError:
        return True
    return False


def test_sealed_record_equals_the_known_answer() -> None:
    commitment, sealed = _BLOB[33:65], _BLOB[77:]
    assert envelope._associated(_PURPOSE, _FIELDS).hex() == _VECTOR["associatedData"]
    assert commitment.hex() == _VECTOR["commitment"]
    assert sealed.hex() == _VECTOR["ciphertextAndTag"]
    assert len(_BLOB) == _VECTOR["blobBytes"]
    assert hashlib.sha256(_BLOB).hexdigest() == _VECTOR["blobSha256"]
    assert open_blob(_PARENT, _PURPOSE, _FIELDS, _BLOB) == _PLAINTEXT


def test_any_flipped_bit_is_refused() -> None:
    flips = 0
    for bit in range(8 * len(_BLOB)):
        changed = bytearray(_BLOB)
        changed[bit // 8] ^= 1 << bit % 8
        assert _refused(bytes(changed)), bit
        flips += 1
    assert flips == 1256


def test_truncated_or_extended_blob_is_refused() -> None:
    assert all(_refused(_BLOB[:length]) for length in range(len(_BLOB)))
    assert all(_refused(_BLOB + bytes(extra)) for extra in range(1, 130))
    assert all(_refused(bytes(extra) + _BLOB) for extra in range(1, 65))


def _other(element: Element) -> Element:
    if isinstance(element, int):
        return element + 1
    return element[:-1] + (b"\xff" if isinstance(element, bytes) else "~")  # type: ignore[operator]


@pytest.mark.parametrize("at", range(len(_FIELDS)))
def test_changed_field_is_refused(at: int) -> None:
    fields = (*_FIELDS[:at], _other(_FIELDS[at]), *_FIELDS[at + 1 :])
    with pytest.raises(EnvelopeError):
        open_blob(_PARENT, _PURPOSE, fields, _BLOB)


@pytest.mark.parametrize(
    ("parent", "purpose", "fields"),
    [
        (bytes(32), _PURPOSE, _FIELDS),
        (_PARENT, "key-meta", _FIELDS),
        (_PARENT, _PURPOSE, _FIELDS[:-1]),
        (_PARENT, _PURPOSE, (*_FIELDS, b"")),
        (_PARENT, _PURPOSE, _FIELDS[::-1]),
    ],
    ids=["parent", "purpose", "one fewer", "one more", "order"],
)
def test_changed_parent_purpose_or_field_count_is_refused(
    parent: bytes, purpose: str, fields: tuple[Element, ...]
) -> None:
    with pytest.raises(EnvelopeError):
        open_blob(parent, purpose, fields, _BLOB)


def test_wrong_commitment_is_refused_before_decryption() -> None:
    other = envelope._seal_with(_DRAWN, bytes(32), _PURPOSE, _FIELDS, _PLAINTEXT)
    assert _refused(_BLOB[:33] + other[33:65] + _BLOB[65:])
    assert _refused(other[:33] + _BLOB[33:65] + other[65:])


@pytest.mark.parametrize(
    ("length", "blob_bytes"), [(0, 157), (62, 157), (63, 221), (126, 221), (127, 285)]
)
def test_blob_sizes_are_padded(length: int, blob_bytes: int) -> None:
    plaintext = bytes(length)
    blob = seal(_PARENT, _PURPOSE, _FIELDS, plaintext)
    assert len(blob) == blob_bytes
    assert open_blob(_PARENT, _PURPOSE, _FIELDS, blob) == plaintext


def test_plaintext_over_the_limit_is_refused() -> None:
    longest = b"x" * SEALED_PLAINTEXT_MAX_BYTES
    blob = seal(_PARENT, _PURPOSE, _FIELDS, longest)
    assert open_blob(_PARENT, _PURPOSE, _FIELDS, blob) == longest
    with pytest.raises(ValueError, match="too long"):
        seal(_PARENT, _PURPOSE, _FIELDS, longest + b"x")


@pytest.mark.parametrize(
    "padded",
    [
        b"\0\x02ab".ljust(63, b"\0") + b"\1",  # padding that is not zero
        b"\0\x02ab".ljust(128, b"\0"),  # more padding than needed
        b"\0\xffab".ljust(64, b"\0"),  # a length past the end
    ],
)
def test_padding_has_one_canonical_form(padded: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envelope, "_padded", lambda _: padded)
    blob = seal(_PARENT, _PURPOSE, _FIELDS, b"ab")
    assert _refused(blob)


def test_two_seals_of_one_plaintext_have_no_bytes_in_common() -> None:
    first, second = (seal(_PARENT, _PURPOSE, _FIELDS, b"same") for _ in range(2))
    assert all(first[at : at + 8] != second[at : at + 8] for at in range(1, 150))


def test_wiped_buffer_is_zero() -> None:
    buffer = bytearray(b"sk-test")
    wipe(buffer)
    assert buffer == bytes(7)
