"""An array's elements come out the same however the array is cut, and none is held without end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from byokd.core.limits import ERROR_BODY_MAX_BYTES, SSE_EVENT_MAX_BYTES
from byokd.dialects.framing.body import Frame
from byokd.dialects.framing.json_array import ArrayReader
from byokd.protocol.errors import ProviderError

_ARRAYS: list[tuple[str, str, list[Any], bool]] = [
    ("plain", '[{"a": 1},{"b": [2, {"c": 3}]}]', [{"a": 1}, {"b": [2, {"c": 3}]}], True),
    ("spread out", ' [\n{\n"a" : 1\n}\r\n,\n{}\n]\n', [{"a": 1}, {}], True),
    ("brackets in strings", r'[{"a": "]}[{", "\"]": "\\"}]', [{"a": "]}[{", '"]': "\\"}], True),
    ("beyond ASCII", '[{"a": "é€😀"}]', [{"a": "é€😀"}], True),
    ("arrays in it", "[[1], [[]]]", [[1], [[]]], True),
    ("scalars are no answers", '[1, "a]", null, {"a": 1}]', [{"a": 1}], True),
    ("empty", "[]", [], True),
    ("what follows", '[{"a": 1}] {"b": 2}]', [{"a": 1}], True),
    ("not closed", '[{"a": 1},', [{"a": 1}], False),
    ("cut inside", '[{"a": 1}, {"b', [{"a": 1}], False),
    ("cut inside an escape", '[{"a": "\\', [], False),
]


@pytest.mark.parametrize(
    ("text", "expected", "whole"), [row[1:] for row in _ARRAYS], ids=[row[0] for row in _ARRAYS]
)
def test_elements_are_the_same_however_the_array_is_cut(
    text: str,
    expected: list[Any],
    whole: bool,  # noqa: FBT001 - a row of the table
) -> None:
    data = text.encode()
    for size in (1, 2, 3, 5, 7, len(data)):
        reader = ArrayReader()
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        elements = [json.loads(data) for piece in pieces for _, data in reader.feed(piece)]
        assert (elements, reader.close()[1]) == (expected, whole)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (b"", []),
        (b" \n", []),
        (b",", []),
        (b'\n{"error": 1}\n', [("", b'{"error": 1}')]),
        (b"[1]", [("", b"[1]")]),
        (b'{"a', [("", b'{"a')]),
        (b"{" + b"a" * ERROR_BODY_MAX_BYTES, [("", b"{" + b"a" * (ERROR_BODY_MAX_BYTES - 1))]),
    ],
)
def test_json_after_the_array_is_a_frame(after: bytes, expected: list[Frame]) -> None:
    for size in (1, len(after) + 1):
        reader = ArrayReader()
        body = b'[{"a": 1}]' + after
        frames = [f for at in range(0, len(body), size) for f in reader.feed(body[at : at + size])]
        assert frames == [("", b'{"a": 1}')]
        assert reader.close() == (expected, True)


def test_longest_element_is_read_and_a_longer_one_refused() -> None:
    around = len(b'{"a":""}')
    text = b"x" * (SSE_EVENT_MAX_BYTES - around)
    reader = ArrayReader()
    reader.feed(b'[{"a":"')
    reader.feed(text)
    assert [len(data) for _, data in reader.feed(b'"}]')] == [SSE_EVENT_MAX_BYTES]
    reader = ArrayReader()
    reader.feed(b'[{"a":"')
    reader.feed(text)
    with pytest.raises(ProviderError):
        reader.feed(b'x"}]')


def test_element_is_measured_while_it_grows() -> None:
    reader = ArrayReader()
    reader.feed(b'[{"a":"')
    with pytest.raises(ProviderError):
        reader.feed(b"x" * SSE_EVENT_MAX_BYTES)
