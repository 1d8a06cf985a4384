"""Each parameter is sent, reported as not sent, or refused where the call is strict.

A row is a provider, a model and a dialect; a column is a parameter. What is sent is recognised by a
value that occurs nowhere else.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from byokd.protocol.errors import Unsupported
from dialects.sample_calls import EFFORTS, SampleCall, rows

_TOOL = {"name": "probe_tool", "description": "probes", "inputSchema": {"type": "object"}}
_SCHEMA = {
    "type": "object",
    "properties": {"field_seven": {"type": "string"}},
    "required": ["field_seven"],
    "additionalProperties": False,
}
_PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB"
_PDF = "JVBERi0xLjQKJcOkw7zDtsOfCg=="


def _shown(**part: str) -> dict[str, Any]:
    text = {"type": "text", "text": "look"}
    return {"messages": [{"role": "user", "content": [text, part]}]}


_PARAMETERS: dict[str, tuple[dict[str, Any], str | None]] = {
    "temperature": ({"temperature": 0.123}, "0.123"),
    "a high temperature": ({"temperature": 1.75}, "1.75"),
    "temperature and topP": ({"temperature": 0.123, "topP": 0.877}, "0.877"),
    "topP": ({"topP": 0.877}, "0.877"),
    "stop": ({"stop": ["HALT-7"]}, "HALT-7"),
    "many stops": ({"stop": [f"HALT-{n}" for n in range(9)]}, "HALT-8"),
    "seed": ({"seed": 424242}, "424242"),
    "maxOutputTokens": ({"maxOutputTokens": 4321}, "4321"),
    "one token": ({"maxOutputTokens": 1}, ":1"),
    "tools": ({"tools": [_TOOL]}, "probe_tool"),
    "a choice of tool": ({"tools": [_TOOL], "toolChoice": {"name": "probe_tool"}}, None),
    "some tool": ({"tools": [_TOOL], "toolChoice": "required"}, None),
    "json": ({"responseFormat": {"type": "json"}}, None),
    "a schema": ({"responseFormat": {"type": "json", "schema": _SCHEMA}}, "field_seven"),
    "a schema beside tools": (
        {"responseFormat": {"type": "json", "schema": _SCHEMA}, "tools": [_TOOL]},
        "field_seven",
    ),
    "an image": (_shown(type="image", mediaType="image/png", data=_PNG), _PNG),
    "a file": (_shown(type="file", mediaType="application/pdf", data=_PDF, name="a.pdf"), _PDF),
    **{f"effort {effort}": ({"reasoning": {"effort": effort}}, None) for effort in EFFORTS},
}
_MAY_CHANGE_NOTHING = {"effort none"}
"""A model without reasoning already does what `none` asks."""

_ROWS = pytest.mark.parametrize("row", rows(), ids=str)


def _losses(row: SampleCall, more: dict[str, Any]) -> list[str]:
    """Return the parameters that are reported as lost."""
    return [str(w.parameter) for w in row.encoded(**more).warnings if w.type != "notice"]


def _text(row: SampleCall, more: dict[str, Any]) -> str:
    return json.dumps(row.body(**more), separators=(",", ":"))


@_ROWS
def test_parameter_is_sent_or_reported(row: SampleCall) -> None:
    for label, (more, mark) in _PARAMETERS.items():
        if _losses(row, more) or label in _MAY_CHANGE_NOTHING:
            continue
        sent = _text(row, more)
        if mark is not None:
            assert mark in sent, label
        else:
            only_tools = {"tools": more["tools"]} if "tools" in more else {}
            assert sent != _text(row, only_tools), label


@_ROWS
def test_strict_call_refuses_a_loss(row: SampleCall) -> None:
    for label, (more, _) in _PARAMETERS.items():
        if losses := _losses(row, more):
            with pytest.raises(Unsupported) as caught:
                row.encoded(**more, strict=True)
            assert caught.value.fields["details"] in [{"parameter": name} for name in losses], label
            assert str(caught.value), label
        else:
            strict = row.encoded(**more, strict=True)
            assert all(w.type == "notice" for w in strict.warnings), label
            assert json.loads(strict.request.body) == row.body(**more), label
