"""Refusals in the words of providers, and the fixes that follow.

Each row of `vectors/refusals.json` holds the error, the body that was sent, the body that is sent
instead (null: no other attempt), and the warnings. `later` is a later body and what the learnt
fixes make of it. `rows` are refusal rows of the provider's own record. `leads` names the rule or
the surface that the refusal leads to, where the fix is not one of the body.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from byokd.catalog.errors import load_refusals
from byokd.catalog.record import Provider, RefusalRow, Surface
from byokd.core.http import Headers, HttpHead, HttpRequest
from byokd.dialects.base.call import Call, Encoded, Refusal
from byokd.dialects.errors.body import read_error_body
from byokd.dialects.errors.classify import classify
from byokd.dialects.errors.fallback import (
    ApplyRule,
    ChangeSurface,
    Fix,
    LeaveOut,
    SetQuirk,
    SetValue,
    change_surface,
    fix_body,
    fix_call,
    learn,
)
from byokd.dialects.registry import DIALECTS
from byokd.protocol.errors import Unsupported
from dialects.records import call, record
from recorded import VECTORS

CASES = json.loads((VECTORS / "refusals.json").read_text(encoding="utf-8"))
_BODY_CASES = [case for case in CASES if "leads" not in case]
_FIXED_CASES = [case for case in _BODY_CASES if case["becomes"] is not None]
_CALL_CASES = [case for case in CASES if "leads" in case]
_CALL = call({"stream": False})


def _row(**fields: Any) -> RefusalRow:
    return RefusalRow.model_validate({"source": "a test", "checked": "2026-11-28"} | fields)


def _with_rows(*rows: RefusalRow) -> Provider:
    return record().model_copy(update={"refusals": rows})


def _refusals(case: dict[str, Any]) -> tuple[Refusal, ...]:
    body = case["body"]
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    head = HttpHead(case["status"], Headers(case.get("headers", {}).items()))
    provider = _with_rows(*(_row(**fields) for fields in case.get("rows", ())))
    return classify(provider, head, data).refusals


def _learnt(call: Call, encoded: Encoded, refusals: Any, known: Any = ()) -> tuple[Fix, ...]:
    """Return the fixes of the best step."""
    steps = learn(call, encoded, refusals, known)
    return steps[0].fixes if steps else ()


def _encoded(body: Any) -> Encoded:
    headers = Headers([("accept", "application/json")])
    data = json.dumps(body).encode()
    return Encoded(HttpRequest("POST", "https://host.test/v1", headers, data))


def _body(encoded: Encoded) -> Any:
    return json.loads(encoded.request.body)


@pytest.mark.parametrize("case", _BODY_CASES, ids=[case["name"] for case in _BODY_CASES])
def test_refused_body_is_fixed(case: dict[str, Any]) -> None:
    encoded = _encoded(case["sent"])
    fixes = _learnt(_CALL, encoded, _refusals(case))
    if case["becomes"] is None:
        assert fixes == ()
        return
    fixed = fix_body(encoded, fixes, _CALL.params)
    assert _body(fixed) == case["becomes"]
    assert [f"{w.type} {w.parameter}" for w in fixed.warnings] == case["warnings"]
    if later := case.get("later"):
        assert _body(fix_body(_encoded(later[0]), fixes, _CALL.params)) == later[1]


@pytest.mark.parametrize("case", _CALL_CASES, ids=[case["name"] for case in _CALL_CASES])
def test_refused_call_leads_to_a_rule_or_a_surface(case: dict[str, Any]) -> None:
    surfaces = tuple(Surface(dialect=name, chat_path="/other") for name in DIALECTS)
    provider = record().model_copy(update={"surfaces": surfaces})
    fixes = _learnt(replace(_CALL, provider=provider), _encoded(case["sent"]), _refusals(case))
    assert [name for name in map(_led_to, fixes) if name] == case["leads"]


def _led_to(fix: Fix) -> str | None:
    match fix:
        case ApplyRule():
            return fix.rule
        case ChangeSurface():
            return fix.dialect
        case SetQuirk():
            return f"{fix.name} = {fix.value.decode()}"
    return None


@pytest.mark.parametrize("case", _FIXED_CASES, ids=[case["name"] for case in _FIXED_CASES])
def test_strict_call_fails_if_a_fix_loses_something(case: dict[str, Any]) -> None:
    """What a dialect added itself, and what goes under another name, is no loss."""
    encoded = _encoded(case["sent"])
    fixes = _learnt(_CALL, encoded, _refusals(case))
    params = call({"strict": True}).params
    losses = [text for text in case["warnings"] if text.startswith(("dropped", "adjusted"))]
    if not losses:
        assert _body(fix_body(encoded, fixes, params)) == case["becomes"]
        return
    with pytest.raises(Unsupported) as caught:
        fix_body(encoded, fixes, params)
    assert caught.value.fields["details"] == {"parameter": losses[0].split()[1]}


def test_renamed_cap_is_not_renamed_back() -> None:
    """Where both names are refused, the cap is left out."""
    first = _encoded({"max_tokens": 5})
    renames = _learnt(_CALL, first, [Refusal(("max_tokens",))])
    second = fix_body(first, renames, _CALL.params)
    removals = _learnt(_CALL, second, [Refusal(("max_completion_tokens",))], renames)
    last = fix_body(first, (*renames, *removals), _CALL.params)
    assert _body(last) == {}
    assert [warn.type for warn in last.warnings] == ["dropped", "renamed"]


def test_body_without_the_refused_field_is_unchanged() -> None:
    fixes = _learnt(_CALL, _encoded({"seed": 1}), [Refusal(("seed",))])
    encoded = _encoded({"model": "m"})
    assert fix_body(encoded, fixes, _CALL.params) is encoded


def test_raw_field_is_reported_under_provider_options() -> None:
    encoded = _encoded({"include": ["x"]})
    fixes = _learnt(_CALL, encoded, [Refusal(("include",))])
    params = call({"providerOptions": {"include": ["x"]}}).params
    assert fix_body(encoded, fixes, params).warnings[0].parameter == "providerOptions.include"


@pytest.mark.parametrize("row", load_refusals(), ids=lambda row: row.source)
def test_each_row_matches_a_vector(row: RefusalRow) -> None:
    bodies = [json.dumps(case["body"]).encode() for case in (*_FIXED_CASES, *_CALL_CASES)]
    messages = [read_error_body(HttpHead(400), body).message for body in bodies]
    assert any(re.search(row.message, text, re.IGNORECASE) for text in messages)
    pattern = re.compile(row.message)
    steps = {"applyRule", "changeSurface", "setQuirks"}
    assert row.names or "names" in pattern.groupindex or row.then in steps


# --- rows that say what to do --------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"then": "setValue"},
        {"then": "applyRule"},
        {"then": "changeSurface"},
        {"value": 1},
        {"then": "setValue", "value": 1, "surface": "x"},
        {"then": "elsewhere"},
    ],
    ids="-".join,
)
def test_row_with_the_wrong_argument_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        _row(message="x", **fields)


_STREAM_ONLY = _row(message="stream must be true", names="stream", then="setValue", value=True)


def _stream_fixes(sent: Encoded) -> tuple[Fix, ...]:
    body = b'{"error": {"message": "stream must be true"}}'
    return _learnt(_CALL, sent, classify(_with_rows(_STREAM_ONLY), HttpHead(400), body).refusals)


def test_refused_whole_answer_is_requested_as_a_stream() -> None:
    fixes = _stream_fixes(_encoded({"stream": False}))
    assert fixes == (SetValue(("stream",), b"true", add=True),)
    streamed, warnings = fix_call(_CALL, fixes)
    assert streamed.params.stream
    assert not _CALL.params.stream
    assert [(w.type, w.parameter) for w in warnings] == [("notice", "stream")]
    assert fix_call(streamed, fixes) == (streamed, ())


def test_stream_is_not_requested_twice() -> None:
    request = HttpRequest("POST", "https://host.test/v1", body=b'{"stream": true}')
    assert _stream_fixes(Encoded(request)) == ()


def test_stream_is_changed_before_encoding_only() -> None:
    encoded = _encoded({"stream": False})
    assert fix_body(encoded, _stream_fixes(encoded), _CALL.params) is encoded


_LAST_TURN = _row(message="last message", then="applyRule", rule="end_with_user")


def test_refused_conversation_leads_to_a_rule() -> None:
    """Also in words that name a message, where no parameter is the reason."""
    body = b'{"error": {"message": "messages[1]: the last message must be the user\'s"}}'
    refusals = classify(_with_rows(_LAST_TURN), HttpHead(400), body).refusals
    assert refusals == (Refusal(rule="end_with_user"),)
    fixes = _learnt(_CALL, _encoded({"temperature": 1}), refusals)
    assert fixes == (ApplyRule("end_with_user"),)
    ruled, warnings = fix_call(_CALL, fixes)
    assert ruled.rules == frozenset({"end_with_user"})
    assert warnings == ()
    assert _learnt(ruled, _encoded({}), refusals, fixes) == (), "it was applied already"


def test_rule_without_a_name_is_refused() -> None:
    with pytest.raises(ValidationError):
        _row(message="x", then="applyRule", rule="say_please")


_RESPONSES = "openai_responses"
_WRONG_PATH_ROW = _row(
    message="only supported in v1/responses", then="changeSurface", surface=_RESPONSES
)
_WRONG_PATH = b'{"error": {"message": "This model is only supported in v1/responses"}}'


@pytest.mark.parametrize(
    ("status", "dialects", "expected"),
    [
        (404, (_RESPONSES,), (ChangeSurface(_RESPONSES),)),
        (400, (_RESPONSES,), (ChangeSurface(_RESPONSES),)),
        (404, (), ()),
        (500, (_RESPONSES,), ()),
        (401, (_RESPONSES,), ()),
    ],
)
def test_refused_chat_path_leads_to_a_surface_of_the_record(
    status: int, dialects: tuple[str, ...], expected: tuple[Fix, ...]
) -> None:
    surfaces = tuple(Surface(dialect=name, chat_path="/responses") for name in dialects)
    provider = _with_rows(_WRONG_PATH_ROW).model_copy(update={"surfaces": surfaces})
    refused = replace(_CALL, provider=provider)
    refusals = classify(provider, HttpHead(status), _WRONG_PATH).refusals
    fixes = _learnt(refused, _encoded({"temperature": 1}), refusals)
    assert fixes == expected
    for fix in fixes:
        assert isinstance(fix, ChangeSurface)
        moved = change_surface(refused, fix)
        assert (moved.provider.dialect, moved.provider.chat_path) == (_RESPONSES, "/responses")
        assert _learnt(moved, _encoded({}), refusals) == (), "the call uses this surface already"


def test_change_of_surface_comes_first() -> None:
    """Another fix of the body is known then, for an address that lacks the surface."""
    surface = Surface(dialect=_RESPONSES, chat_path="/responses")
    provider = record().model_copy(update={"surfaces": (surface,)})
    refusals = [Refusal(("seed",)), Refusal(surface=_RESPONSES)]
    refused = replace(_CALL, provider=provider)
    leave_out = LeaveOut(("seed",))
    assert _learnt(refused, _encoded({"seed": 1}), refusals[1:]) == (ChangeSurface(_RESPONSES),)
    assert _learnt(refused, _encoded({"seed": 1}), refusals) == (leave_out,)
    assert _learnt(_CALL, _encoded({"seed": 1}), refusals) == (leave_out,)
    usual = surface.model_copy(update={"models": "^other$"})
    refused = replace(_CALL, provider=record().model_copy(update={"surfaces": (usual,)}))
    fixes = _learnt(refused, _encoded({"seed": 1}), refusals)
    assert fixes == (ChangeSurface(_RESPONSES), leave_out)
