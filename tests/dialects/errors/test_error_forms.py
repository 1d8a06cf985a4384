"""An error in any known form and in any position means the same in all seven dialects.

Gateways and proxies answer in their own form, whatever the format of the request, with a status of
failure or with 200, as a document, as an event, or as bare JSON after events.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest

import chunking
from byokd.core.http import Headers, HttpHead
from byokd.dialects.base.call import Fault
from byokd.dialects.errors.classify import classify
from byokd.dialects.registry import DIALECTS
from dialects import records
from dialects.answers import FORMATS, Format

_WORDS: Final = "the cat sat on the wire"
_LIMIT: Final = "Rate limit reached: too many requests per minute"

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
    "flat": {
        "message": _WORDS,
        "type": "invalid_request_error",
        "param": "x",
        "code": "mismatches",
    },
    "flat and named": {"object": "error", "message": _WORDS, "type": "x", "code": 3001},
    "flat with details": {
        "object": "error",
        "message": {"detail": [{"type": "extra", "loc": ["body"], "msg": _WORDS}]},
    },
    "message": {"message": _WORDS},
    "Message": {"Message": _WORDS},
    "message and id": {"id": "a", "message": _WORDS},
    "message and code": {"message": _LIMIT, "code": "rate_limit_exceeded"},
    "message and number": {"message": _LIMIT, "code": 429},
    "message and status": {"statusCode": 500, "message": _WORDS},
    "message and status as text": {"status": "error", "message": _WORDS},
    "msg": {"code": 500, "msg": _WORDS, "success": False},
    "error_msg": {"error_code": 336, "error_msg": _WORDS},
    "detail": {"detail": _WORDS},
    "details": {"detail": [{"loc": ["a"], "msg": _WORDS, "type": "v"}]},
    "problem": {"title": "bad", "status": 500, "detail": _WORDS},
    "envelope": {"success": False, "errors": [{"code": 1, "message": _WORDS}], "result": None},
    "errors": {"errors": [_WORDS]},
    "array": [{"error": {"code": 400, "message": _WORDS, "status": "X"}}],
    "array of a limit": [{"error": {"code": 429, "message": _LIMIT}}],
    "array of a text": [{"error": _WORDS}],
    "array of a message": [{"message": _LIMIT, "code": "rate_limit_exceeded"}],
    "event": {"type": "error", "error": {"type": "overloaded_error", "message": _WORDS}},
}

_CUT_FORMS: Final = ("object", "text", "flat", "message and code", "array of a limit", "event")
"""Forms that are cut at every byte; all forms would take a minute."""

_OK: Final = 200
_JSON: Final = "application/json"


@dataclass(frozen=True)
class _Position:
    """Where an error is in an answer: `body` is the error, in its frame."""

    name: str
    before: bytes
    body: bytes
    after: bytes = b""
    status: int = 200
    content_type: str = _JSON

    @property
    def head(self) -> HttpHead:
        return HttpHead(self.status, Headers([("content-type", self.content_type)]))

    @property
    def whole(self) -> bytes:
        return self.before + self.body + self.after

    @property
    def complete(self) -> int:
        """The length from which the whole error has come; a newline after it adds nothing."""
        binary = b"\0" in self.body
        return len(self.before + (self.body if binary else self.body.rstrip()))


def _positions(dialect: str, error: Any) -> Iterator[_Position]:
    fmt = FORMATS[dialect]
    body, indented = json.dumps(error).encode(), json.dumps(error, indent=1).encode()
    framed = fmt.frame(error)
    good, end = fmt.frame(fmt.text("a")), fmt.frames(fmt.end)
    yield _Position("a status", b"", body, status=500)
    yield _Position("a status, in events", b"", b"data: " + body, b"\n\n", status=500)
    yield _Position("the body of a 200", b"", body)
    yield _Position("the body of a 200, on many lines", b"\n", indented, b"\n")
    yield _Position("the first frame", b"", framed)
    yield _Position("the first frame, then the end", b"", framed, fmt.last or end)
    yield _Position("a later frame", good, framed)
    yield _Position("a later frame, then the end", good, framed, end + (fmt.last or b""))
    yield _Position("bare after a good frame", good, body)
    yield _Position("bare after a good frame, on many lines", good, indented, b"\n")
    if fmt.last != end:  # else nothing is read after the end
        yield _Position("bare after the end", good + end, body, b"\n")
    if dialect == "gemini":
        element = json.dumps(fmt.text("a")).encode()
        yield _Position("an element of an array", b"[" + element + b",", body, b"]")
        yield _Position("bare after an array", b"[" + element + b"]\n", body)
    if dialect != "bedrock_converse":
        yield from _in_text(fmt, body)


def _in_text(fmt: Format, body: bytes) -> Iterator[_Position]:
    """Yield positions that only streams of text have."""
    good = fmt.frame(fmt.text("a"))
    yield _Position("the last frame, without a newline", good, fmt.frame(json.loads(body)).rstrip())
    yield _Position("after a comment", b": wait\n\n", b"data: " + body)
    if fmt.dialect == "ollama_chat":
        return
    yield _Position("a named event", good, b"event: error\r\ndata: " + body + b"\r\n\r\n")
    yield _Position("a field named error", good, b"error: " + body + b"\n")
    yield _Position("bare between good frames", good, body + b"\n\n", good)


def _fault(dialect: str, position: _Position, pieces: list[bytes]) -> Fault | None:
    decoder = FORMATS[dialect].decoder(head=position.head)
    return chunking.run(decoder, pieces)[1].fault


def _expected(error: Any, status: int) -> Fault:
    """Classify the error alone."""
    body = json.dumps(error[0] if isinstance(error, list) else error).encode()
    head = HttpHead(status, Headers([("content-type", _JSON)]))
    return classify(records.record(), head, body, in_stream=status == _OK)


@pytest.mark.parametrize("form", _FORMS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_error_means_the_same_in_every_position(dialect: str, form: str) -> None:
    error = _FORMS[form]
    mismatches = []
    for position in _positions(dialect, error):
        name, expected = position.name, _expected(error, position.status)
        for pieces in ([position.whole], list(chunking.one_by_one(position.whole))):
            fault = _fault(dialect, position, pieces)
            assert fault is not None, name
            kinds = (fault.kind, fault.retryable, fault.provider_code)
            if kinds != (expected.kind, expected.retryable, expected.provider_code):
                mismatches.append(f"{name}: {kinds}")
            if (expected.provider_message or "?") not in (fault.provider_message or ""):
                mismatches.append(f"{name}: {fault.provider_message}")
    assert mismatches == []


@pytest.mark.parametrize("form", _CUT_FORMS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_cut_error_is_never_a_good_answer(dialect: str, form: str) -> None:
    error = _FORMS[form]
    for position in _positions(dialect, error):
        expected = _expected(error, position.status)
        for length in range(len(position.before) + 1, len(position.whole) + 1):
            fault = _fault(dialect, position, [position.whole[:length]])
            where = f"{position.name}, cut at {length}"
            assert fault is not None, where
            if length >= position.complete:
                assert fault.kind == expected.kind, where
                assert fault.provider_message == expected.provider_message, where
            elif position.status == _OK:
                assert fault.kind in {expected.kind, "streamInterrupted", "providerError"}, where


_NO_CONTENT: Final = (b"", b"\n", b"[]", b"{}", b"null", b"0", b'""', b"<html>no</html>")


@pytest.mark.parametrize("status", [200, 404, 502])
@pytest.mark.parametrize("body", _NO_CONTENT)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_body_without_content_is_a_fault(dialect: str, body: bytes, status: int) -> None:
    for kind in ("application/json", "text/html", "text/event-stream"):
        position = _Position("", b"", body, status=status, content_type=kind)
        assert _fault(dialect, position, [body]) is not None


@pytest.mark.parametrize("body", [*_NO_CONTENT, b'{"a":', b'{"a":1}', b'[{"a":1}]', b"no"])
def test_body_without_content_is_the_same_fault_in_all_dialects(body: bytes) -> None:
    for pieces in ([body], list(chunking.one_by_one(body))):
        faults = {_fault(dialect, _Position("", b"", body), pieces) for dialect in DIALECTS}
        assert len(faults) == 1
