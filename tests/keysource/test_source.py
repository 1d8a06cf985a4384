"""The stored form of a master key, and a typed error for every reason."""

from __future__ import annotations

from typing import get_args

import pytest

from byokd.keysource.source import (
    Item,
    Reason,
    decode_key,
    encode_key,
    new_key,
    reason_of,
    source_error,
)
from byokd.protocol.errors import VaultLocked, VaultUnavailable

_KEY = bytes(range(32))
_LINE = encode_key(_KEY)
_A_PERSON_CAN_HELP = {
    "backendLocked",
    "promptDismissed",
    "passphraseNeeded",
    "wrongPassphrase",
    "wrongRecoveryCode",
    "lockedByUser",
}


def test_key_line_is_short_ascii_and_round_trips() -> None:
    assert decode_key(_LINE) == _KEY
    assert _LINE.startswith("byokd1.")
    assert _LINE.isascii()
    assert len(_LINE.split()) == 1
    assert len(_LINE) <= 80
    assert new_key() != new_key()


@pytest.mark.parametrize(
    "line",
    [
        "",
        "byokd1",
        "byokd2" + _LINE[6:],
        _LINE[:-1],
        _LINE + "0",
        _LINE + "\n",
        _LINE[:10],
        _LINE[:20] + ("A" if _LINE[20] != "A" else "B") + _LINE[21:],
        _LINE.upper(),
        encode_key(_KEY[:31]),
        "byokd1.é.00000000",
    ],
)
def test_damaged_line_is_corrupt_and_not_quoted(line: str) -> None:
    with pytest.raises(VaultUnavailable) as caught:
        decode_key(line)
    assert reason_of(caught.value) == "itemCorrupt"
    assert not line or line not in caught.value.user_message


def test_item_names_are_unique_per_store_and_slot() -> None:
    item = Item(b"\1" * 16, b"\2" * 16)
    assert item.service == "byokd/" + "01" * 16
    assert item.user == "kek/" + "02" * 16


@pytest.mark.parametrize("reason", get_args(Reason))
def test_every_reason_says_what_to_do(reason: Reason) -> None:
    error = source_error(reason)
    assert reason_of(error) == reason
    assert isinstance(error, VaultLocked | VaultUnavailable)
    assert isinstance(error, VaultLocked) == (reason in _A_PERSON_CAN_HELP)
    assert error.user_message == error.user_message.rstrip(".")
    assert error.data().details == {"reason": reason}
