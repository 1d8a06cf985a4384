"""The whole body for every provider of the catalog: `vectors/requests/<provider>.json`.

A row has a call of `CALLS`, the model, the body and the warnings; `dialect` or `at`, a base URL,
for another surface than the usual one; `source` is the source of a fact about this provider only. A
changed row changes requests on the accounts of users.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from byokd.catalog.loader import load
from dialects.sample_calls import SampleCall
from recorded import VECTORS

_TOOL = {
    "name": "look",
    "description": "looks",
    "inputSchema": {"type": "object", "properties": {"at": {"type": "string"}}},
}
_HI = {"role": "user", "content": "hi"}
_SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}
_IMAGE = {"type": "image", "mediaType": "image/png", "data": "iVBORw0KGgo="}
_PDF = {"type": "file", "mediaType": "application/pdf", "data": "JVBERi0=", "name": "a.pdf"}
_LOOP = [
    _HI,
    {
        "role": "assistant",
        "content": [
            {"type": "reasoning", "text": "thought"},
            {
                "type": "toolCall",
                "callId": "toolu_01",
                "name": "look",
                "arguments": {"at": "x"},
                "providerState": {"provider": "elsewhere", "model": "m", "thoughtSignature": "s"},
            },
        ],
    },
    {"role": "tool", "content": [{"type": "toolResult", "callId": "toolu_01", "content": "seen"}]},
]

CALLS: dict[str, dict[str, Any]] = {
    "plain": {},
    "system and knobs": {
        "messages": [{"role": "system", "content": "be brief"}, _HI],
        "maxOutputTokens": 500,
        "temperature": 0.5,
        "stop": ["END"],
        "seed": 7,
    },
    "a tool must be called": {"tools": [_TOOL], "toolChoice": "required"},
    "a tool of another provider has answered": {"messages": _LOOP, "tools": [_TOOL]},
    "high effort": {"reasoning": {"effort": "high"}, "temperature": 0.5},
    "a schema": {"responseFormat": {"type": "json", "schema": _SCHEMA, "name": "number"}},
    "an image and a document": {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "look"}, _IMAGE, _PDF]}]
    },
}


def shown(sample: SampleCall, name: str) -> dict[str, Any]:
    """Return the body and the warnings of a call."""
    encoded = sample.encoded(**CALLS[name], cache="off")
    reported = [f"{warn.type} {warn.parameter}" for warn in encoded.warnings]
    return {"body": json.loads(encoded.request.body), "warnings": reported}


def _rows() -> list[Any]:
    return [
        pytest.param(path.stem, row, id=f"{path.stem} {row['call']}")
        for path in sorted((VECTORS / "requests").glob("*.json"))
        for row in json.loads(path.read_text(encoding="utf-8"))
    ]


@pytest.mark.parametrize(("provider", "row"), _rows())
def test_request_body_matches_its_vector(provider: str, row: dict[str, Any]) -> None:
    sample = SampleCall(provider, row["model"], row.get("dialect"), {}, row.get("at"))
    assert shown(sample, row["call"]) == {"body": row["body"], "warnings": row["warnings"]}


@pytest.mark.parametrize("provider", load())
def test_every_provider_has_all_vectors(provider: str) -> None:
    path = VECTORS / "requests" / f"{provider}.json"
    rows = json.loads(path.read_text(encoding="utf-8"))
    usual = [row for row in rows if not row.keys() & {"dialect", "at"}]
    assert {row["call"] for row in usual} == set(CALLS)
    assert any(row.get("source") for row in rows)
