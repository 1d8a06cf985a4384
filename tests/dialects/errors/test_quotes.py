"""Errors that repeat the conversation: what they quote decides nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from byokd.core.http import Headers, HttpHead
from byokd.dialects.errors.quotes import texts_of, without_quotes
from byokd.dialects.registry import DIALECTS, find_dialect
from dialects.conversations import result, says, text
from dialects.records import call

_JSON = Headers([("content-type", "application/json")])
_OVERFLOW = "This model's maximum context length is 8192 tokens, but the prompt has 9000 tokens"
_CAP = "max_tokens 4000 is too large: maximum context length is 8192 tokens, 5000 in the messages"

_QUOTED: list[tuple[str, str, str, str]] = [
    ("not quoted", "hello", f"Refused: {_OVERFLOW}", f"Refused: {_OVERFLOW}"),
    ("whole", _OVERFLOW, f"Bad image beside '{_OVERFLOW}' (1)", "Bad image beside ' ' (1)"),
    ("cut off", _OVERFLOW, f"Bad image: {_OVERFLOW[:40]}...", "Bad image:  ..."),
    ("its beginning", f"{_OVERFLOW}. Why?", f"In: {_OVERFLOW} [cut]", "In:   [cut]"),
    ("a pasted error", _OVERFLOW, _OVERFLOW, _OVERFLOW),
    ("a pasted error on a line", _OVERFLOW, f"Error:\n{_OVERFLOW}", f"Error:\n{_OVERFLOW}"),
    ("a short text", "tokens", "Bad: tokens", "Bad: tokens"),
]


@pytest.mark.parametrize(
    ("name", "prompt", "message", "left"), _QUOTED, ids=[r[0] for r in _QUOTED]
)
def test_quotations_are_left_out(name: str, prompt: str, message: str, left: str) -> None:
    assert without_quotes(message, [prompt]) == left, name


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("words", [_OVERFLOW, _CAP], ids=["too long", "cap"])
@pytest.mark.parametrize("place", ["user", "result"])
def test_quoted_numbers_neither_name_the_error_nor_lower_the_cap(
    dialect: str, words: str, place: str
) -> None:
    quoted: list[Any] = [says("user", text(words))]
    if place == "result":
        quoted = [says("user", text("go")), says("tool", result("c1", words))]
    error = {"error": {"message": f"The image cannot be decoded. Request: {words}"}}
    own = [says("user", text("go"))]
    for messages, is_quoted in ((quoted, True), (own, False)):
        refused = call({"messages": messages, "stream": False})
        refused = replace(
            refused, provider=refused.provider.model_copy(update={"dialect": dialect})
        )
        decoder = find_dialect(dialect).decoder(refused, HttpHead(400, _JSON))
        decoder.feed(json.dumps(error).encode())
        fault = decoder.close()[1].fault
        assert fault is not None
        assert words in (fault.provider_message or ""), "it is shown"
        assert (fault.kind == "contextOverflow" or bool(fault.refusals)) is not is_quoted
        assert not is_quoted or fault.kind == "badRequest"


def test_texts_are_those_of_messages_and_results() -> None:
    messages = call({"messages": [says("user", text("a")), says("tool", result("c", "b"))]}).params
    assert [*texts_of(messages.messages)] == ["a", "b"]
