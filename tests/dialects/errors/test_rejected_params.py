"""What providers say when they do not take a parameter, and what the body becomes without it.

The table holds the error, the body that was sent, the body that is sent instead (null: none), and
the warnings. `other` is a later body and what becomes of it by what was learnt.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from byokd.catalog.errors import load_refusals
from byokd.catalog.record import RefusalRow
from byokd.core.http import Headers, HttpHead, HttpRequest
from byokd.dialects.base.call import Encoded, Refusal
from byokd.dialects.errors.body import read_error_body
from byokd.dialects.errors.classify import classify
from byokd.dialects.errors.fallback import apply_fixes, learn
from byokd.protocol.errors import Unsupported
from dialects.records import call, record
from recorded import VECTORS

CASES = json.loads((VECTORS / "refusals.json").read_text(encoding="utf-8"))


def _refusals(case: dict[str, Any]) -> tuple[Refusal, ...]:
    said = case["body"]
    body = said.encode() if isinstance(said, str) else json.dumps(said).encode()
    head = HttpHead(case["status"], Headers(case.get("headers", {}).items()))
    return classify(record(), head, body).refusals


def _encoded(body: Any) -> Encoded:
    return Encoded(HttpRequest("POST", "https://host.test/v1", body=json.dumps(body).encode()))


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_refused_body_becomes(case: dict[str, Any]) -> None:
    encoded = _encoded(case["sent"])
    found = learn(encoded.request.body, _refusals(case))
    if case["becomes"] is None:
        assert found == ()
        return
    better = apply_fixes(encoded, found, call().params)
    assert json.loads(better.request.body) == case["becomes"]
    assert [f"{w.type} {w.parameter}" for w in better.warnings] == case["told"]
    if other := case.get("other"):
        assert (
            json.loads(apply_fixes(_encoded(other[0]), found, call().params).request.body)
            == other[1]
        )


@pytest.mark.parametrize("case", [case for case in CASES if case["becomes"] is not None],
                         ids=lambda case: case["name"])  # fmt: skip
def test_a_strict_call_loses_nothing(case: dict[str, Any]) -> None:
    """What the client asked for is refused; what was ours, or goes under another name, is not."""
    encoded = _encoded(case["sent"])
    found = learn(encoded.request.body, _refusals(case))
    params = call({"strict": True}).params
    lost = [told for told in case["told"] if told.startswith(("dropped", "adjusted"))]
    if not lost:
        assert json.loads(apply_fixes(encoded, found, params).request.body) == case["becomes"]
        return
    with pytest.raises(Unsupported) as caught:
        apply_fixes(encoded, found, params)
    assert caught.value.fields["details"] == {"parameter": lost[0].split()[1]}


def test_a_cap_is_not_renamed_back() -> None:
    """Where both names are refused, the cap is left out."""
    first = _encoded({"max_tokens": 5})
    renamed = learn(first.request.body, [Refusal(("max_tokens",))])
    second = apply_fixes(first, renamed, call().params)
    dropped = learn(second.request.body, [Refusal(("max_completion_tokens",))], renamed)
    last = apply_fixes(first, (*renamed, *dropped), call().params)
    assert json.loads(last.request.body) == {}
    assert [warn.type for warn in last.warnings] == ["dropped", "renamed"]


def test_a_body_that_has_nothing_to_amend_stays_as_it_is() -> None:
    found = learn(b'{"seed": 1}', [Refusal(("seed",))])
    encoded = _encoded({"model": "m"})
    assert apply_fixes(encoded, found, call().params) is encoded


def test_a_raw_field_of_the_client_is_told_as_one() -> None:
    encoded = _encoded({"include": ["x"]})
    found = learn(encoded.request.body, [Refusal(("include",))])
    params = call({"providerOptions": {"include": ["x"]}}).params
    assert apply_fixes(encoded, found, params).warnings[0].parameter == "providerOptions.include"


@pytest.mark.parametrize("row", load_refusals(), ids=lambda row: row.source)
def test_every_row_is_seen_at_work(row: RefusalRow) -> None:
    bodies = [json.dumps(case["body"]).encode() for case in CASES if case["becomes"] is not None]
    words = [read_error_body(HttpHead(400), body).message for body in bodies]
    assert any(re.search(row.message, text, re.IGNORECASE) for text in words)
    named = re.compile(row.message).groupindex
    assert row.names or "names" in named
