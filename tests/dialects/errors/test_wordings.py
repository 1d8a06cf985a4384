"""What providers, gateways and local servers say, and what each wording means.

Each row of `vectors/errors/wordings` holds the words, the status that they came with, the kind that
they mean, and who was seen to write so, with the day. A row is read in every form of an error body,
as the body of its status and inside a good stream, in all seven formats. `hint` is a part of the
sentence for the person (`bareHint` the same without a record); a row that is `recordOnly` needs
the record of its provider, and one with a `body` has no other form.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import pytest

import chunking
from byokd.catalog.record import Provider
from byokd.core.http import Headers, HttpHead
from byokd.dialects.base.call import Fault
from byokd.dialects.errors.classify import classify
from byokd.dialects.registry import DIALECTS
from dialects import records
from dialects.answers import FORMATS
from recorded import BARE, VECTORS, record

_TABLE: Final[list[tuple[str, dict[str, Any]]]] = [
    (path.stem, row)
    for path in sorted((VECTORS / "errors" / "wordings").glob("*.json"))
    for row in json.loads(path.read_text(encoding="utf-8"))
]
_ROWS: Final = [
    pytest.param(row, id=f"{subject}: {row['status']} {row['words'][:60]}")
    for subject, row in _TABLE
]
_GOOD: Final = {"authOk", "neutral"}
_AGAINST_KEY: Final = {"authInvalid", "authUnsure", "authDead"}
_KEY_KINDS: Final = {"keyInvalid", "keyForbidden", "insufficientFunds"}
"""Kinds that a gateway turns into its own where it passes on an upstream's words."""


def _words(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("code", "type") if name in row}


def _bodies(row: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield each form of an error body that can hold the row."""
    if "body" in row:
        yield "its own", row["body"]
        return
    words, named = row["words"], _words(row)
    numbered = {"code": row["status"]} | named
    yield "object", {"error": {"message": words} | numbered}
    yield "text", {"error": words} | named
    yield "flat", {"message": words} | numbered
    yield "list", [{"error": {"message": words} | numbered}]
    yield "envelope", {"success": False, "errors": [{"message": words} | numbered]}
    if not named:
        yield "object in object", {"error": {"error": {"message": words}}}
        yield "detail", {"detail": words}
        yield "msg", {"code": row["status"], "msg": words, "data": None}
        yield "as JSON text", {"error": {"message": json.dumps({"error": {"message": words}})}}
        if row["kind"] not in _KEY_KINDS:
            raw = json.dumps({"error": {"message": words}})
            passed_on = {"message": "Provider returned error", "code": row["status"]}
            metadata = {"raw": raw, "provider_name": "X"}
            yield "passed on", {"error": passed_on | {"metadata": metadata}}


def _providers(row: dict[str, Any]) -> Iterator[Provider]:
    if "provider" in row:
        yield record(row["provider"])
    if not row.get("recordOnly"):
        yield BARE


def _fault(provider: Provider, row: dict[str, Any], body: Any) -> Fault:
    head = HttpHead(row["status"], Headers([("content-type", "application/json")]))
    return classify(provider, head, json.dumps(body).encode())


@pytest.mark.parametrize("row", _ROWS)
def test_words_mean_the_same_in_every_body(row: dict[str, Any]) -> None:
    wrong = []
    for provider in _providers(row):
        for form, body in _bodies(row):
            fault = _fault(provider, row, body)
            seen = (fault.kind, fault.retryable)
            if seen != (row["kind"], row.get("retryable", False)):
                wrong.append(f"{provider.id}, {form}: {seen}")
            if not _health_is_right(row, fault):
                wrong.append(f"{provider.id}, {form}: {fault.health}")
    assert wrong == []


def _health_is_right(row: dict[str, Any], fault: Fault) -> bool:
    if "health" in row:
        return bool(fault.health == row["health"])
    if row["kind"] == "contentFiltered":
        return fault.health in _GOOD
    return fault.health not in _AGAINST_KEY


@pytest.mark.parametrize("row", _ROWS)
def test_sentence_says_what_to_do(row: dict[str, Any]) -> None:
    body = next(_bodies(row))[1]
    providers = list(_providers(row))
    messages = [_fault(provider, row, body).message for provider in providers]
    assert row.get("hint", "") in messages[0]
    assert row.get("bareHint", "") in messages[-1]
    if row["kind"] != "keyInvalid":
        assert not any("new one" in message and "key" in message for message in messages)
    if row["kind"] == "unsupported":
        assert not any("see its message for what to change" in message for message in messages)
    assert not any("{" in message for message in messages)


def _in_stream(row: dict[str, Any]) -> Any:
    """Return the error of a stream, which names its status itself."""
    if "body" in row:
        return row["body"] | {"status_code": row["status"]}
    return {"error": {"message": row["words"], "status_code": row["status"]} | _words(row)}


@pytest.mark.parametrize("row", _ROWS)
def test_words_mean_the_same_in_all_formats(row: dict[str, Any]) -> None:
    wrong = []
    provider = next(_providers(row))
    form = next(_bodies(row))[1]
    for dialect in DIALECTS:
        fmt = FORMATS[dialect]
        error, good = _in_stream(row), fmt.frame(fmt.text("a"))
        head = HttpHead(row["status"], Headers([("content-type", "application/json")]))
        answers = [
            ("a body", head, json.dumps(form).encode()),
            ("the first frame", fmt.head, fmt.frame(error)),
            ("a later frame", fmt.head, good + fmt.frame(error)),
        ]
        if dialect == "openai_chat" and "body" not in row:
            choice = {"index": 0, "delta": {}, "finish_reason": "error"} | error
            answers.append(("a choice", fmt.head, good + fmt.frame({"choices": [choice]})))
        for name, answer_head, answer in answers:
            fault = _decoded(dialect, provider, answer_head, answer)
            seen = (fault.kind, fault.retryable) if fault is not None else None
            if seen != (row["kind"], row.get("retryable", False)):
                wrong.append(f"{dialect}, {name}: {seen}")
    assert wrong == []


def _decoded(dialect: str, provider: Provider, head: HttpHead, answer: bytes) -> Fault | None:
    with_rows = records.record().model_copy(update={"errors": provider.errors})
    call = replace(records.call(), provider=with_rows)
    return chunking.run(FORMATS[dialect].decoder(call, head), [answer])[1].fault


def test_table_covers_each_subject() -> None:
    """Every subject has enough wordings, with their source and day."""
    counts = Counter(subject for subject, _ in _TABLE)
    assert min(counts[name] for name in ("overflow", "requests", "content", "models")) >= 30
    assert len(_TABLE) >= 150
    assert all(row["source"] and row["checked"] >= "2026-11-28" for _, row in _TABLE)
