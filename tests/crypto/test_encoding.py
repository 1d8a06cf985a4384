"""Packing: two different lists of values never have the same bytes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from byokd.crypto.encoding import (
    CONTEXT,
    Element,
    optional,
    pack,
    pack_pairs,
    unpack,
    unpack_pairs,
)

_LISTS = st.lists(st.binary(max_size=12), max_size=6).map(tuple)

_PACKED: list[tuple[str, tuple[Element, ...], str]] = [
    ("nothing", (), ""),
    ("no bytes", (b"",), "00000000"),
    ("text", ("api-key",), "000000076170692d6b6579"),
    ("an integer", (3,), "000000080000000000000003"),
    ("the largest integer", (2**64 - 1,), "00000008ffffffffffffffff"),
    ("text is counted in bytes", ("é",), "00000002c3a9"),
    ("text is composed before it is counted", ("e\u0301",), "00000002c3a9"),
    ("context", (CONTEXT,), "0000000862796f6b642f7631"),
]


@pytest.mark.parametrize(("name", "elements", "expected"), _PACKED, ids=[row[0] for row in _PACKED])
def test_packed_bytes_are_the_written_format(
    name: str, elements: tuple[Element, ...], expected: str
) -> None:
    assert name
    assert pack(*elements).hex() == expected


def test_moved_boundary_changes_the_bytes() -> None:
    assert pack("ab", "c") != pack("a", "bc")
    assert optional(None) != optional("") != optional(0)


@settings(max_examples=500, deadline=None)
@given(_LISTS, _LISTS)
def test_pack_is_injective(left: tuple[bytes, ...], right: tuple[bytes, ...]) -> None:
    assert (pack(*left) == pack(*right)) == (left == right)
    assert unpack(pack(*left)) == left


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text("abcXYZ", max_size=5), st.text(max_size=8), max_size=5))
def test_pairs_round_trip_byte_for_byte(pairs: dict[str, str]) -> None:
    assert unpack_pairs(pack_pairs(pairs.items())) == pairs


@pytest.mark.parametrize("value", [-1, 2**64])
def test_oversized_integer_is_refused(value: int) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        pack(value)


@pytest.mark.parametrize(
    "data", [b"\0", b"\0\0\0\2a", b"\0\0\0\1", pack(b"a") + b"\0\0\0", pack(b"a")[:-1]]
)
def test_truncated_data_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="cut"):
        unpack(data)


@pytest.mark.parametrize(
    "data", [pack("a"), pack("b", "1", "a", "2"), pack("a", "1", "a", "2"), pack(b"\xff", b"x")]
)
def test_pairs_have_one_canonical_form(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        unpack_pairs(data)
