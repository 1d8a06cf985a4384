"""Whether an answer comes piece by piece is known from the request, in every dialect."""

from __future__ import annotations

import json
from typing import Any

import pytest

from byokd.core.http import HttpRequest
from dialects.sample_calls import SampleCall, rows

_TOOLS = [{"name": "f", "inputSchema": {"type": "object"}}]


def _asks_for_pieces(request: HttpRequest) -> bool:
    """Return what the provider reads: the field of the body, or the method in the path."""
    in_body: Any = json.loads(request.body).get("stream")
    in_path = "streamGenerateContent" in request.url or request.url.endswith("-stream")
    return in_path if in_body is None else bool(in_body)


@pytest.mark.parametrize("row", rows(), ids=str)
def test_what_was_asked_for_is_known(row: SampleCall) -> None:
    for more in ({}, {"tools": _TOOLS}):
        for stream in (True, False):
            encoded = row.encoded(stream=stream, **more)
            assert encoded.streamed is _asks_for_pieces(encoded.request)


def test_a_dialect_may_ask_otherwise_than_its_client() -> None:
    """Some models stream no answer with tools, and some hosts give only streams."""
    asked = [
        (row.encoded(stream=stream, tools=_TOOLS).streamed, stream)
        for row in rows()
        for stream in (True, False)
    ]
    assert (True, False) in asked
