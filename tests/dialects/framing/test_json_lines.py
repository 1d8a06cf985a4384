"""Lines of JSON, however they are cut, and bodies that are not read by the line."""

from __future__ import annotations

import json

import pytest
from hypothesis import assume, given, strategies as st

import chunking
from byokd.core.limits import SSE_EVENT_MAX_BYTES
from byokd.dialects.framing.body import Frame
from byokd.dialects.framing.json_lines import LineReader
from byokd.protocol.errors import ProviderError

_FIRST = b'{"a":1}\n'


def _read(body: bytes, size: int) -> list[Frame]:
    reader = LineReader()
    pieces = chunking.in_sizes(body, [size] * (len(body) // size))
    frames = [frame for piece in pieces for frame in reader.feed(piece)]
    return frames + reader.close()[0]


@given(st.binary(), st.integers(min_value=1, max_value=9))
def test_lines_after_a_json_line_are_those_of_the_text(body: bytes, size: int) -> None:
    lines = [line for line in (_FIRST + body).split(b"\n") if line.strip()]
    assume(not any(line.strip() in {b"{", b"["} for line in lines))  # such a line begins a document
    assert _read(_FIRST + body, size) == [("", line) for line in lines]


@pytest.mark.parametrize("bracket", [b"[\n", b" [\n", b"[\r\n"])
def test_all_from_a_line_that_is_only_a_bracket_is_one_frame(bracket: bytes) -> None:
    body = _FIRST + bracket + b'{"b": 1}\n]\n'
    for size in range(1, len(body) + 1):
        first, last = _read(body, size)
        assert first == ("", _FIRST.strip())
        assert json.loads(last[1]) == [{"b": 1}]


@pytest.mark.parametrize(
    "body",
    [
        b'{\n "a": 1\n}',
        b'{\n "a":\n {}\n}\n',
        b"[\n]",
        b'{"a": 1}',
        b'{"a": ',
        b'{"a"\n{"b": 1}\n',
    ],
)
def test_body_without_a_first_json_line_is_one_frame(body: bytes) -> None:
    for size in (1, 2, 3, len(body)):
        assert _read(body, size) == [("", body)]


def test_byte_order_mark_is_left_out() -> None:
    for body in (b'{"a":1}\n{"b":1}\n', b'{"a":1}'):
        for size in (1, 2, 5, 99):
            assert _read(b"\xef\xbb\xbf" + body, size) == _read(body, size)


def test_longest_line_is_read_and_a_longer_one_refused() -> None:
    longest = b'{"a":"' + b"x" * (SSE_EVENT_MAX_BYTES - 8) + b'"}'
    for start in (b"", _FIRST):
        for end in (b"\n", b""):
            frames = _read(start + longest + end, 1 << 20)
            assert frames[-1] == ("", longest)
            with pytest.raises(ProviderError):
                _read(start + longest + b" " + end, 1 << 20)


def test_longest_document_on_many_lines_is_read_and_a_longer_one_refused() -> None:
    first, last = b'{"a":\n"', b'"}\n'
    longest = first + b"x" * (SSE_EVENT_MAX_BYTES - len(first + last)) + last
    assert _read(longest, 1 << 20) == [("", longest)]
    with pytest.raises(ProviderError):
        _read(longest + b"\n", 1 << 20)
