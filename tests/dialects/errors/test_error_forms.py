"""An error in any known form, in any place, from whoever answers: its words are found.

Gateways and proxies answer in their own form, whatever format they were asked in, with a status
of failure or with 200, as a document or as an event.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

import chunking
from byokd.core.http import Headers, HttpHead
from byokd.dialects.base.call import Fault
from byokd.dialects.registry import DIALECTS, find
from dialects import records
from dialects.frames import event

_Answer = tuple[int, str, bytes]
"""A status, a content type and a body."""

_WORDS = "the cat sat on the wire"
_BINARY = "bedrock_converse"
_FORMS: dict[str, Any] = {
    "object": {"error": {"message": _WORDS, "type": "x", "code": None, "param": None}},
    "object with status": {"error": {"message": _WORDS, "code": 503, "metadata": {}}},
    "object in object": {"error": {"error": {"message": _WORDS}}},
    "object with a reason": {"error": {"reason": _WORDS}},
    "text": {"error": _WORDS},
    "text and code": {"code": "bad thing", "error": _WORDS},
    "text and type": {"error": _WORDS, "error_type": "overloaded"},
    "text and description": {"error": "invalid", "error_description": _WORDS},
    "list of texts": {"error": [_WORDS]},
    "list of objects": {"error": [{"message": _WORDS}]},
    "flat": {"message": _WORDS, "type": "invalid_request_error", "param": "x", "code": "wrong"},
    "flat and named": {"object": "error", "message": _WORDS, "type": "x", "code": 3001},
    "flat with details": {
        "object": "error",
        "message": {"detail": [{"type": "extra", "loc": ["body"], "msg": _WORDS}]},
    },
    "message": {"message": _WORDS},
    "Message": {"Message": _WORDS},
    "message and id": {"id": "a", "message": _WORDS},
    "message and status": {"statusCode": 500, "message": _WORDS},
    "msg": {"code": 500, "msg": _WORDS, "success": False},
    "error_msg": {"error_code": 336, "error_msg": _WORDS},
    "detail": {"detail": _WORDS},
    "details": {"detail": [{"loc": ["a"], "msg": _WORDS, "type": "v"}]},
    "problem": {"title": "bad", "status": 500, "detail": _WORDS},
    "envelope": {"success": False, "errors": [{"code": 1, "message": _WORDS}], "result": None},
    "errors": {"errors": [_WORDS]},
    "array": [{"error": {"code": 400, "message": _WORDS, "status": "X"}}],
    "event": {"type": "error", "error": {"type": "overloaded_error", "message": _WORDS}},
}


def _ways(dialect: str, body: bytes) -> Iterator[tuple[str, _Answer]]:
    """Yield each way in which an error can come."""
    whole, events = "application/json", "text/event-stream"
    yield "a status", (500, whole, body)
    yield "200", (200, whole, body)
    if dialect == _BINARY:
        framed = event("throttlingException", body, "exception")
        yield "an exception", (200, "application/vnd.amazon.eventstream", framed)
        return
    yield "an event", (200, events, b"data: " + body + b"\n\n")
    yield "an event, then the end", (200, events, b"data:" + body + b"\n\ndata: [DONE]\n\n")
    yield "a named event", (200, events, b"event: error\r\ndata: " + body + b"\r\n\r\n")
    yield "an event after a comment", (200, events, b": wait\n\ndata: " + body)


def _fault(dialect: str, status: int, kind: str, body: bytes) -> Fault | None:
    head = HttpHead(status, Headers([("content-type", kind)]))
    return chunking.run(find(dialect).decoder(records.call(), head), [body])[1].fault


@pytest.mark.parametrize("form", _FORMS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_words_of_an_error_are_found(dialect: str, form: str) -> None:
    body = json.dumps(_FORMS[form]).encode()
    found = {way: _fault(dialect, *answer) for way, answer in _ways(dialect, body)}
    lost = [way for way, fault in found.items() if _WORDS not in _said(fault)]
    assert not lost


def _said(fault: Fault | None) -> str:
    return (fault and fault.provider_message) or ""


@pytest.mark.parametrize("status", [200, 404, 502])
@pytest.mark.parametrize(
    "body", [b"", b"\n", b"[]", b"{}", b"null", b"0", b'""', b"<html>no</html>"]
)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_body_that_says_nothing_is_a_fault(dialect: str, body: bytes, status: int) -> None:
    for kind in ("application/json", "text/html", "text/event-stream"):
        assert _fault(dialect, status, kind, body) is not None
