"""One unambiguous encoding of a list of values as bytes.

Each value is preceded by its length: in a plain concatenation `"ab" + "c"` equals `"a" + "bc"`, so
whoever can choose one value can move a boundary.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final, TypeAlias

CONTEXT: Final = "byokd/v1"
"""First element of everything that is sealed, derived or authenticated in the store."""

Element: TypeAlias = bytes | str | int

_LENGTH_BYTES: Final = 4
_INT_BYTES: Final = 8


def pack(*elements: Element) -> bytes:
    """Return `T(elements…)`: each one as `u32be(length) || bytes`.

    Text is NFC UTF-8, an integer eight bytes big-endian. The type of an element is not encoded, so
    the types at each position must be fixed by the use.

    Raises:
        ValueError: an integer is negative or needs more than 64 bits, or a text has no UTF-8 form.
    """
    parts: list[bytes] = []
    for element in elements:
        data = element if isinstance(element, bytes) else _to_bytes(element)
        parts += (len(data).to_bytes(_LENGTH_BYTES, "big"), data)
    return b"".join(parts)


def unpack(data: bytes | bytearray) -> tuple[bytes, ...]:
    """Return the elements; raises `ValueError` where they are not whole."""
    return tuple(_elements(bytes(data)))


def pack_pairs(pairs: Iterable[tuple[str, str]]) -> bytes:
    """Pack names and values, sorted by name.

    Values are not normalised: a credential keeps its exact bytes.
    """
    flat = [part for name, value in sorted(pairs) for part in (name, value.encode())]
    return pack(*flat)


def unpack_pairs(data: bytes | bytearray) -> dict[str, str]:
    """Raise `ValueError` for a missing value or names that are not strictly ascending."""
    parts = unpack(data)
    if len(parts) % 2:
        raise ValueError("a name without a value")
    names = [part.decode() for part in parts[::2]]
    if any(first >= second for first, second in pairwise(names)):
        raise ValueError("names are not in rising order")
    return dict(zip(names, (part.decode() for part in parts[1::2]), strict=True))


def optional(value: Element | None) -> bytes:
    """Return an element: empty for None, else the value packed again."""
    return b"" if value is None else pack(value)


def _to_bytes(element: str | int) -> bytes:
    if isinstance(element, str):
        return (element if element.isascii() else unicodedata.normalize("NFC", element)).encode()
    if not 0 <= element < 1 << 8 * _INT_BYTES:
        raise ValueError("an integer does not fit 64 bits")
    return element.to_bytes(_INT_BYTES, "big")


def _elements(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        start = at + _LENGTH_BYTES
        end = start + int.from_bytes(data[at:start], "big")
        if start > len(data) or end > len(data):
            raise ValueError("an element is cut")
        yield data[start:end]
        at = end
