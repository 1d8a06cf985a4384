"""Each refusal in the words of one provider, for calls in all seven formats.

Gateways pass on the words of the provider behind them, whatever the format of the call is.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from byokd.catalog.quirks import quirks_type
from byokd.core.http import Headers, HttpHead
from byokd.dialects.base.call import Call, Encoded
from byokd.dialects.errors.classify import classify
from byokd.dialects.errors.fallback import ApplyRule, Fix, SetQuirk, fix_body, fix_call, learn
from byokd.dialects.errors.optional_fields import forces_tool
from byokd.dialects.registry import DIALECTS, find_dialect
from dialects import records
from recorded import VECTORS

_ROWS = json.loads((VECTORS / "refusals.json").read_text(encoding="utf-8"))
_GENERAL = [row for row in _ROWS if "rows" not in row]
_RULES = [row for row in _GENERAL if row.get("leads") and "=" not in str(row["leads"])]
_QUIRKS = [row for row in _GENERAL if "=" in str(row.get("leads"))]
_FORCED = [row for row in _GENERAL if ", forced" in row["name"] and row.get("becomes")]
_WORDS = [
    row
    for row in _GENERAL
    if "reasoning_effort" in row["sent"] and "reasoning_effort" in (row.get("becomes") or ())
    and "tools" not in row["sent"]
]  # fmt: skip
_CONTEXT = [
    row
    for row in json.loads((VECTORS / "context_length.json").read_text(encoding="utf-8"))
    if "left" in row
]

_EFFORT: dict[str, dict[str, Any]] = {
    "openai_chat": {"effort_field": "reasoning_effort"},
    "openai_responses": {"effort_field": "reasoning"},
    "anthropic_messages": {"effort_field": "thinking_adaptive"},
    "gemini": {"effort_field": "thinkingLevel"},
    "bedrock_converse": {"effort_field": "thinking_adaptive"},
    "ollama_chat": {"effort_field": "think"},
}
"""How each format sends the word of an effort; Cohere's is a number."""

_TOOL = {"name": "f", "inputSchema": {"type": "object", "properties": {}}}
_EVERY = pytest.mark.parametrize("dialect", DIALECTS)


def _ids(rows: list[Any]) -> list[str]:
    return [row.get("name") or f"{number} {row['source']}" for number, row in enumerate(rows)]


def _call(dialect: str, params: dict[str, Any], **quirks: Any) -> Call:
    call = records.call({"stream": False} | params, **quirks)
    return replace(call, provider=call.provider.model_copy(update={"dialect": dialect}))


def _encoded(call: Call) -> Encoded:
    return find_dialect(call.provider.dialect).encode(call, 0)


def _learnt(call: Call, row: dict[str, Any]) -> tuple[Fix, ...]:
    head = HttpHead(row.get("status", 400), Headers(row.get("headers", {}).items()))
    body = row.get("body") or {"error": {"message": row["message"]}}
    refusals = classify(call.provider, head, json.dumps(body).encode()).refusals
    steps = learn(call, _encoded(call), refusals)
    return steps[0].fixes if steps else ()


def _fixed(call: Call, row: dict[str, Any]) -> Encoded:
    fixes = _learnt(call, row)
    fixed, _ = fix_call(call, fixes)
    return fix_body(_encoded(fixed), fixes, fixed.params)


@_EVERY
@pytest.mark.parametrize("row", _RULES, ids=_ids(_RULES))
def test_refused_conversation_leads_to_the_same_rules(dialect: str, row: dict[str, Any]) -> None:
    fixes = _learnt(_call(dialect, {}), row)
    assert [fix.rule for fix in fixes if isinstance(fix, ApplyRule)] == row["leads"]


@_EVERY
@pytest.mark.parametrize("row", _QUIRKS, ids=_ids(_QUIRKS))
def test_refused_form_leads_to_the_quirks_of_the_format(dialect: str, row: dict[str, Any]) -> None:
    form = quirks_type(dialect)
    assert form is not None
    stated = [text.partition(" = ")[0] for text in row["leads"]]
    fixes = [fix for fix in _learnt(_call(dialect, {}), row) if isinstance(fix, SetQuirk)]
    if all(name in form.model_fields for name in stated) and fixes:
        assert [fix.name for fix in fixes] == stated
    else:
        assert not fixes or not set(stated) <= set(form.model_fields)
    if stated in (["response_format"], ["tool_call_id_pattern"]):
        assert [fix.name for fix in fixes] == stated, "every format has this quirk"


@pytest.mark.parametrize("dialect", [name for name in DIALECTS if name != "ollama_chat"])
@pytest.mark.parametrize("row", _FORCED, ids=_ids(_FORCED))
def test_refused_tool_choice_is_left_out(dialect: str, row: dict[str, Any]) -> None:
    """Ollama has no tool choice."""
    word = {"anthropic_messages": "any", "bedrock_converse": "any"}.get(dialect, "required")
    params = {"tools": [_TOOL], "toolChoice": "required"}
    call = (
        _call(dialect, params, tool_choice_required=word)
        if dialect != "gemini"
        else _call(dialect, params)
    )
    before, after = (
        json.loads(_encoded(call).request.body),
        json.loads(_fixed(call, row).request.body),
    )
    assert _is_forced(before)
    assert not _is_forced(after)
    assert "tools" in after or "tools" in after["toolConfig"]


def _is_forced(body: dict[str, Any]) -> bool:
    config = body.get("toolConfig", {})
    choice = body.get("tool_choice", config.get("toolChoice", config.get("functionCallingConfig")))
    return choice is not None and forces_tool(choice)


@pytest.mark.parametrize("dialect", _EFFORT)
@pytest.mark.parametrize("row", _WORDS, ids=_ids(_WORDS))
def test_refused_effort_becomes_the_nearest_that_the_error_names(
    dialect: str, row: dict[str, Any]
) -> None:
    sent, accepted = row["sent"]["reasoning_effort"], row["becomes"]["reasoning_effort"]
    call = _call(dialect, {"reasoning": {"effort": sent}}, **_EFFORT[dialect])
    assert f'"{sent}"' in _encoded(call).request.body.decode().lower()
    fixed = _fixed(call, row)
    assert f'"{accepted}"' in fixed.request.body.decode().lower()
    assert f'"{sent}"' not in fixed.request.body.decode().lower()
    assert ("adjusted", "reasoning") in [(warn.type, warn.parameter) for warn in fixed.warnings]


@_EVERY
@pytest.mark.parametrize("row", _CONTEXT, ids=_ids(_CONTEXT))
def test_cap_is_lowered_to_what_is_left(dialect: str, row: dict[str, Any]) -> None:
    call = _call(dialect, {"maxOutputTokens": row["left"] + 1})
    body = _fixed(call, row).request.body
    assert f":{row['left']}" in body.decode()
    assert f":{row['left'] + 1}" not in body.decode()
