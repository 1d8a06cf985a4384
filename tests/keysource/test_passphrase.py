"""Passphrases and recovery codes: which are accepted, their keys, and no quoting in errors."""

from __future__ import annotations

import asyncio

import pytest

from byokd.core.limits import PASSPHRASE_MAX_CHARS, PASSPHRASE_MIN_CHARS
from byokd.core.secret import Secret
from byokd.crypto import argon2
from byokd.crypto.argon2 import Cost
from byokd.crypto.encoding import pack
from byokd.crypto.seal import SealingKey
from byokd.keysource import passphrase, recovery
from byokd.keysource.source import reason_of
from byokd.protocol.errors import InvalidParams, VaultCorrupt, VaultUnavailable

pytestmark = pytest.mark.anyio

_CHEAP = Cost(bytes(16), 19 * 1024, 2, 1).packed()


@pytest.mark.parametrize("length", [PASSPHRASE_MIN_CHARS, PASSPHRASE_MAX_CHARS])
def test_passphrase_at_the_bounds_is_accepted(length: int) -> None:
    passphrase.check_new(Secret("é" * length), "/passphrase")


@pytest.mark.parametrize("length", [0, PASSPHRASE_MIN_CHARS - 1, PASSPHRASE_MAX_CHARS + 1])
def test_passphrase_beyond_a_bound_is_refused_and_not_quoted(length: int) -> None:
    text = "q" * length
    with pytest.raises(InvalidParams) as caught:
        passphrase.check_new(Secret(text), "/passphrase")
    assert "qqq" not in str(caught.value.data())
    assert "/passphrase" in str(caught.value.data().details)


def test_passphrase_length_is_counted_in_normal_form() -> None:
    with pytest.raises(InvalidParams):
        passphrase.check_new(Secret("e\u0301" * (PASSPHRASE_MIN_CHARS - 1)), "/passphrase")


async def test_key_is_derived_at_the_stored_cost() -> None:
    key = await passphrase.derive_key(Secret("caf\u00e9 caf\u00e9 caf\u00e9"), _CHEAP)
    expected = argon2.derive("caf\u00e9 caf\u00e9 caf\u00e9".encode(), Cost.unpacked(_CHEAP))
    assert key == expected
    # Another keyboard produces two characters for each of these letters.
    assert await passphrase.derive_key(Secret("cafe\u0301 cafe\u0301 cafe\u0301"), _CHEAP) == key
    assert await passphrase.derive_key(Secret("cafe cafe cafe"), _CHEAP) != key


def test_each_cost_has_a_new_salt() -> None:
    assert passphrase.new_cost().salt != passphrase.new_cost().salt


async def test_cost_out_of_bounds_is_corrupt_and_nothing_is_derived(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(argon2, "derive", lambda *_: pytest.fail("it was derived"))
    for params in (b"", pack("argon2id", 2 * 1024 * 1024, 3, 4, bytes(16))):
        with pytest.raises(VaultCorrupt):
            await passphrase.derive_key(Secret("correct horse"), params)


async def test_missing_memory_has_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr(argon2, "derive", fail)
    with pytest.raises(VaultUnavailable) as caught:
        await passphrase.derive_key(Secret("correct horse"), _CHEAP)
    assert reason_of(caught.value) == "noMemory"


async def test_derivations_run_one_at_a_time_and_cancelled_ones_never(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    began, go_on = asyncio.Event(), __import__("threading").Event()
    loop, running, most, count = asyncio.get_running_loop(), 0, 0, 0

    def slow(*_: object) -> bytes:
        nonlocal running, most, count
        running, count = running + 1, count + 1
        most = max(most, running)
        loop.call_soon_threadsafe(began.set)
        go_on.wait(5)
        running -= 1
        return bytes(32)

    monkeypatch.setattr(argon2, "derive", slow)
    tasks = [
        asyncio.create_task(passphrase.derive_key(Secret("correct horse"), _CHEAP))
        for _ in range(4)
    ]
    await began.wait()
    await asyncio.sleep(0)
    for task in tasks[2:]:
        task.cancel()
    await asyncio.gather(*tasks[2:], return_exceptions=True)
    go_on.set()
    done = await asyncio.gather(*tasks[:2], return_exceptions=True)
    assert done == [bytes(32)] * 2
    assert most == 1
    assert count <= 3  # the first may be a cancelled one


def test_recovery_code_has_nine_groups_and_tolerates_typing_styles() -> None:
    code = recovery.new_code()
    text = code.reveal()
    assert [len(group) for group in text.split("-")] == [4] * 9
    key = recovery.derive_key(code)
    for typed in (text.lower(), text.replace("-", ""), text.replace("-", " "), f" {text}\n"):
        assert recovery.derive_key(Secret(typed)) == key
    assert recovery.derive_key(recovery.new_code()) != key


def test_lookalike_characters_are_corrected() -> None:
    text = recovery._text(b"\x70\xe8" * 10)  # has O, I and B
    look = text.replace("O", "0").replace("I", "1").replace("B", "8")
    assert look != text
    assert recovery.derive_key(Secret(look)) == recovery.derive_key(Secret(text))


def test_typing_error_is_detected_and_not_quoted() -> None:
    text = recovery._text(bytes(range(20)))
    for at, was in enumerate(text):
        if was == "-":
            continue
        wrong = text[:at] + ("A" if was != "A" else "C") + text[at + 1 :]
        with pytest.raises(InvalidParams) as caught:
            recovery.derive_key(Secret(wrong))
        assert wrong[:9] not in str(caught.value.data())
    for wrong in ("", text[:-1], text + "A", "é" * 36, "1" * 36):
        with pytest.raises(InvalidParams):
            recovery.derive_key(Secret(wrong))


def test_sealed_code_opens_only_for_its_recipient() -> None:
    code, recipient = recovery.new_code(), SealingKey()
    sealed = recovery.sealed_to(recipient.public_key_b64, code, b"for this")
    assert recipient.open(sealed, b"for this") == code
    with pytest.raises(InvalidParams):
        SealingKey().open(sealed, b"for this")
    for bad in ("", "AAAA", "é", "not base64 at all"):
        with pytest.raises(InvalidParams, match="public key"):
            recovery.sealed_to(bad, code, b"")
