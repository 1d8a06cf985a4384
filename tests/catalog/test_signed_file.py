"""A catalog file is used only as it was signed: each bit of it counts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from byokd.catalog.signed_file import SCHEMA, read_verified
from byokd.core.limits import CATALOG_HEADER_MAX_BYTES, CATALOG_MAX_BYTES
from byokd.crypto.signature import VerifyingKey
from byokd.protocol.errors import Conflict
from catalog_file import KEY, NEWER, PRIVATE_KEY, SMALL
from tools.make_catalog import public_key, signed

RAW = signed(PRIVATE_KEY, NEWER, SMALL)


def reason(raw: bytes) -> str:
    """Return why a file is refused."""
    with pytest.raises(Conflict) as caught:
        read_verified(raw, KEY)
    data = caught.value.data()
    assert data.user_message.startswith("the catalog file was refused and nothing was changed: ")
    assert isinstance(data.details, dict)
    return str(data.details["reason"])


def test_signed_file_is_read() -> None:
    data = read_verified(RAW, KEY)
    assert (data.layer, data.date) == ("refreshed", NEWER)
    assert [data.raw("providers"), data.raw("models")] == [[], {}]
    assert data.basis == f"refreshed:{data.digest[:16]}"


@pytest.mark.parametrize("bit", range(8))
def test_flipped_bit_is_refused(bit: int) -> None:
    for place in range(len(RAW)):
        changed = bytearray(RAW)
        changed[place] ^= 1 << bit
        assert reason(bytes(changed)) in {"notACatalog", "schema", "otherKey", "signature"}


def test_cut_file_is_refused_at_every_byte() -> None:
    for length in range(len(RAW)):
        assert reason(RAW[:length]) in {"notACatalog", "signature"}


@pytest.mark.parametrize("more", [b"\n", b" ", b"[]\n", RAW])
def test_longer_file_is_refused(more: bytes) -> None:
    assert reason(RAW + more) == "signature"


def _with_header(**fields: Any) -> bytes:
    line, _, rest = RAW.partition(b"\n")
    header = json.loads(line) | fields
    return json.dumps(header, separators=(",", ":")).encode() + b"\n" + rest


HEADERS: list[tuple[dict[str, Any], str]] = [
    ({"schema": 2}, "schema"),
    ({"schema": 0}, "schema"),
    ({"schema": True}, "notACatalog"),
    ({"schema": "1"}, "notACatalog"),
    ({"date": "2027-3-1"}, "notACatalog"),
    ({"date": "2027-02-30"}, "notACatalog"),
    ({"date": "2027-03-02"}, "signature"),
    ({"date": None}, "notACatalog"),
    ({"keyId": "0" * 16}, "otherKey"),
    ({"keyId": 1}, "notACatalog"),
    ({"signature": ""}, "signature"),
    ({"signature": "A" * 86 + "=="}, "signature"),
    ({"signature": None}, "notACatalog"),
    ({"more": 1}, "notACatalog"),
]


@pytest.mark.parametrize(("fields", "expected"), HEADERS)
def test_other_header_is_refused(fields: dict[str, Any], expected: str) -> None:
    assert reason(_with_header(**fields)) == expected


@pytest.mark.parametrize(
    "raw",
    [b"", b"\n", b"{}\n", b"[]\n", b"null\n", b"\xff\n", b"<html>\n", RAW.replace(b":", b": ", 1)],
)
def test_what_is_no_catalog_file_is_refused(raw: bytes) -> None:
    assert reason(raw) == "notACatalog"


@pytest.mark.parametrize("day", ["20270301", "2027-W10-1", "2027-W10", "2027-060"])
def test_day_in_another_spelling_is_refused(day: str) -> None:
    """Days are compared as texts: this one would be newer than all others."""
    assert reason(signed(PRIVATE_KEY, day, SMALL)) == "notACatalog"


def test_same_signature_in_another_spelling_is_refused() -> None:
    """The last base64 digit of 64 bytes has four bits that decode to nothing."""
    signature: str = json.loads(RAW.partition(b"\n")[0])["signature"]
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = digits[digits.index(signature[85]) ^ 1]
    assert reason(_with_header(signature=signature[:85] + other + "==")) == "signature"


def test_newer_schema_is_refused_even_with_a_good_signature() -> None:
    assert reason(signed(PRIVATE_KEY, NEWER, SMALL, SCHEMA + 1)) == "schema"


def test_file_of_another_key_is_refused() -> None:
    other = Ed25519PrivateKey.generate()
    raw = signed(other, NEWER, SMALL)
    assert read_verified(raw, VerifyingKey(public_key(other))).date == NEWER
    assert reason(raw) == "otherKey"
    named_ours = raw.replace(VerifyingKey(public_key(other)).id.encode(), KEY.id.encode())
    assert reason(named_ours) == "signature"


def test_size_is_bounded() -> None:
    left = CATALOG_MAX_BYTES - len(RAW)
    largest = signed(PRIVATE_KEY, NEWER, SMALL | {"models": {"x": "x" * (left - len('"x":""'))}})
    assert len(largest) == CATALOG_MAX_BYTES
    assert read_verified(largest, KEY).date == NEWER
    assert reason(largest + b"x") == "tooLarge"


def test_length_of_the_header_is_bounded() -> None:
    line, _, rest = RAW.partition(b"\n")
    left = CATALOG_HEADER_MAX_BYTES - len(line) - 1
    assert reason(line[:-2] + b"A" * left + line[-2:] + b"\n" + rest) == "signature"
    assert reason(line[:-2] + b"A" * (left + 1) + line[-2:] + b"\n" + rest) == "notACatalog"


KEYS = ["", "x", "A" * 43, "A" * 44, "A" * 42 + "B=", "A" * 43 + "=" + "\n", "é" * 44, "A" * 88]


@pytest.mark.parametrize("text", KEYS)
def test_malformed_public_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="base64"):
        VerifyingKey(text)


def test_representation_of_a_key_shows_its_id() -> None:
    assert repr(KEY) == f"VerifyingKey({KEY.id})"
