"""Secrets on the wire: the vector shared with TypeScript, and one use per sealed value."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from byokd.crypto import seal
from byokd.crypto.seal import SealingKey
from byokd.protocol.errors import InvalidParams
from byokd.protocol.lifecycle import SEALING_SUITE

_VECTOR: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "vectors/crypto/hpke.json").read_text(encoding="utf-8")
)
_KEY = SealingKey(bytes.fromhex(_VECTOR["privateKey"]))
_SECRET = "sk-test-0123456789abcdef"
_USE: dict[str, Any] = {
    "method": "key/store",
    "account": "default",
    "provider": "somewhere",
    "key_id": None,
    "base_url": "https://a.example/v1",
    "field": "apiKey",
}


@pytest.mark.parametrize("case", _VECTOR["cases"], ids=lambda case: case["use"]["field"])
def test_shared_vector_opens(case: dict[str, Any]) -> None:
    use = case["use"]
    info = seal.info(
        use["method"],
        account=use["account"],
        provider=use["provider"],
        key_id=use["keyId"],
        base_url=use["baseUrl"],
        field=use["field"],
    )
    assert info.hex() == case["info"]
    assert _KEY.open(case["sealed"], info).reveal() == case["plaintext"]


def test_shared_vector_has_the_announced_suite_and_key() -> None:
    assert _VECTOR["suite"] == SEALING_SUITE
    assert _VECTOR["publicKey"] == _KEY.public_key_b64
    assert _VECTOR["keyId"] == _KEY.key_id


def test_sealed_text_opens_and_is_never_the_same() -> None:
    key, info = SealingKey(), seal.info(**_USE)
    sealed = seal.seal(key.public_key_b64, _SECRET, info)
    assert key.open(sealed, info).reveal() == _SECRET
    assert sealed != seal.seal(key.public_key_b64, _SECRET, info)
    assert _SECRET not in repr(key)


@pytest.mark.parametrize(
    "change",
    [
        {"method": "key/rotate"},
        {"account": "other"},
        {"provider": "elsewhere"},
        {"key_id": "key_a"},
        {"base_url": "https://b.example/v1"},
        {"base_url": None},
        {"field": "region"},
    ],
    ids=str,
)
def test_sealed_value_opens_only_for_its_use(change: dict[str, Any]) -> None:
    sealed = seal.seal(_KEY.public_key_b64, _SECRET, seal.info(**_USE))
    with pytest.raises(InvalidParams):
        _KEY.open(sealed, seal.info(**(_USE | change)))


def _damaged(sealed: str) -> list[str]:
    wire = base64.b64decode(sealed)
    return [
        "",
        "AAAA",
        "no base64!",
        sealed + "\n",
        sealed[:-4],
        base64.b64encode(bytes([wire[0] ^ 1]) + wire[1:]).decode(),
        base64.b64encode(wire[:-1] + bytes([wire[-1] ^ 1])).decode(),
        base64.b64encode(wire + b"\0").decode(),
        base64.b64encode(bytes(32) + wire[32:]).decode(),
    ]


@pytest.mark.parametrize("at", range(9))
def test_damaged_sealed_value_is_a_typed_error_without_quotes(at: int) -> None:
    info = seal.info(**_USE)
    sealed = _damaged(seal.seal(_KEY.public_key_b64, _SECRET, info))[at]
    with pytest.raises(InvalidParams) as caught:
        _KEY.open(sealed, info)
    assert caught.value.__cause__ is None
    assert not sealed or sealed not in str(caught.value)


def test_other_process_cannot_open_a_sealed_value() -> None:
    info = seal.info(**_USE)
    sealed = seal.seal(SealingKey().public_key_b64, _SECRET, info)
    with pytest.raises(InvalidParams):
        SealingKey().open(sealed, info)


@pytest.mark.parametrize("public", ["AAAA", "%", base64.b64encode(bytes(33)).decode()])
def test_public_key_of_another_length_is_refused(public: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        seal.seal(public, _SECRET, b"")


def test_import_before_initialize_loads_no_cryptography() -> None:
    code = (
        "import sys; from byokd.crypto.seal import SealingKey; SealingKey();"
        "heavy = {'byokd.protocol.errors', 'byokd.crypto.envelope', 'pydantic', 'keyring',"
        " 'cryptography.hazmat.primitives.ciphers.aead', 'sqlite3'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    root = str(Path(seal.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {root!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
