"""An encoded request says whether its answer is streamed, in every dialect."""

from __future__ import annotations

import json
from typing import Any

import pytest

from byokd.core.http import HttpRequest
from dialects.sample_calls import SampleCall, rows

_TOOLS = [{"name": "f", "inputSchema": {"type": "object"}}]


def _asks_for_a_stream(request: HttpRequest) -> bool:
    """Return what the provider reads: the field in the body, or the method in the path."""
    in_body: Any = json.loads(request.body).get("stream")
    in_path = "streamGenerateContent" in request.url or request.url.endswith("-stream")
    return in_path if in_body is None else bool(in_body)


@pytest.mark.parametrize("row", rows(), ids=str)
def test_encoded_request_knows_whether_it_asks_for_a_stream(row: SampleCall) -> None:
    for more in ({}, {"tools": _TOOLS}):
        for stream in (True, False):
            encoded = row.encoded(stream=stream, **more)
            assert encoded.streamed is _asks_for_a_stream(encoded.request)


def test_dialect_may_stream_where_its_client_does_not() -> None:
    """Some models stream no answer with tools, and some hosts give only streams."""
    requests = [
        (row.encoded(stream=stream, tools=_TOOLS).streamed, stream)
        for row in rows()
        for stream in (True, False)
    ]
    assert (True, False) in requests
