"""Whether a conversation is too long, or only its output cap: the words of providers.

Each row of `vectors/context_length.json` has a message and what it states: `left` for an answer,
`tooLong`, by how much the total is in `excess`, or `nothing`.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from byokd.core.http import Headers, HttpHead
from byokd.core.limits import ANSWER_MIN_TOKENS
from byokd.dialects.errors.classify import classify
from byokd.dialects.errors.context_length import read_context_error
from dialects.records import record
from recorded import VECTORS

_CASES = json.loads((VECTORS / "context_length.json").read_text(encoding="utf-8"))
_IDS = [f"{number} {case['source']}" for number, case in enumerate(_CASES)]
_JSON = Headers([("content-type", "application/json")])


@pytest.mark.parametrize("case", _CASES, ids=_IDS)
def test_numbers_decide_what_does_not_fit(case: dict[str, Any]) -> None:
    stated = read_context_error(case["message"])
    if case.get("nothing"):
        assert stated is None
        return
    assert stated is not None
    assert stated.too_long is (None if "excess" in case else bool(case.get("tooLong")))
    if "excess" in case:
        assert stated.excess == case["excess"]
    if "left" in case:
        assert stated.left == case["left"]


@pytest.mark.parametrize("case", _CASES, ids=_IDS)
def test_kind_agrees_with_the_numbers(case: dict[str, Any]) -> None:
    body = json.dumps({"error": {"message": case["message"]}}).encode()
    fault = classify(record(), HttpHead(400, _JSON), body)
    refused = [(refusal.left, refusal.excess) for refusal in fault.refusals]
    if case.get("tooLong"):
        assert fault.kind == "contextOverflow"
        assert not fault.refusals, "a conversation that is too long is not sent again"
    elif "left" in case:
        assert fault.kind == "badRequest"
        assert str(case["left"]) in fault.message
        assert (case["left"], None) in refused
    elif "excess" in case:
        assert fault.kind == "contextOverflow"
        assert (None, case["excess"]) in refused
    assert not fault.retryable or fault.kind == "rateLimited"


@pytest.mark.parametrize("over", [0, 1])
def test_fewest_tokens_for_an_answer(over: int) -> None:
    used = 1000 - ANSWER_MIN_TOKENS + over
    stated = read_context_error(f"context limit: {used} + 900 > 1000")
    assert stated is not None
    assert stated.too_long is bool(over)


@pytest.mark.parametrize(
    "message",
    [
        "9" * 40 + " + 1 > 2 tokens",
        "context length is " + "1" * 10 + " and the prompt contains " + "2" * 10,
        "context " * 500,
        "1,2,3,4 tokens > 5",
        "tokens" + " 1" * 2000,
    ],
    ids=["long", "longer", "words", "list", "numbers"],
)
def test_odd_messages_decide_nothing(message: str) -> None:
    assert read_context_error(message) is None
