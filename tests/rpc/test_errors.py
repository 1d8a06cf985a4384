"""Each kind has its own code, and the text of any other exception is not shown."""

from __future__ import annotations

import logging
from typing import get_args

import pytest

from byokd.protocol.errors import KeyMissing, Kind
from byokd.rpc.errors import CODES, as_byokd_error, describe

CANARY = "sk-test-0123456789abcdef"


def test_every_kind_has_one_code() -> None:
    assert set(CODES) == set(get_args(Kind))
    assert len(set(CODES.values())) == len(CODES)


def test_byokd_error_is_returned_unchanged() -> None:
    error = KeyMissing("store a key first")
    assert as_byokd_error(error) is error


def fail(known: dict[str, int]) -> None:
    try:
        known[CANARY] += 1
    except KeyError as cause:
        raise ValueError(f"bad {CANARY}") from cause


def test_other_exception_is_logged_by_type_and_place_only(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "byokd"):
        with pytest.raises(ValueError, match=CANARY) as raised:
            fail({})
        error = as_byokd_error(raised.value)
    assert error.kind == "internal"
    assert error.error_id in caplog.text
    assert "ValueError because of KeyError at" in caplog.text
    assert CANARY not in caplog.text + repr(error.data()) + describe(error)
