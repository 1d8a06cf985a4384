"""What only the Cohere decoder reads: nesting in every kind of chunk, and what is billed."""

from __future__ import annotations

import json
from typing import Any

import pytest

import chunking
from byokd.catalog.loader import load
from byokd.core.limits import JSON_MAX_DEPTH
from byokd.dialects.cohere_chat import decoder
from byokd.services.chat.cost import cost_of
from dialects import records
from dialects.answers import FORMATS, nested

_FORMAT = FORMATS["cohere_chat"]
_OK = _FORMAT.head


def _citation(**fields: Any) -> bytes:
    cited = {"start": 0, "end": 1, "sources": []} | fields
    return _FORMAT.frame({"type": "citation-start", "delta": {"message": {"citations": cited}}})


@pytest.mark.parametrize(("depth", "reads"), [(JSON_MAX_DEPTH, True), (JSON_MAX_DEPTH + 1, False)])
def test_deepest_calls_citations_and_usage_are_read_and_deeper_ones_not(
    depth: int, *, reads: bool
) -> None:
    call = _FORMAT.frame(_FORMAT.nested_call(depth))
    cited = _citation(more=nested(depth - 1))
    used = {"tokens": {"input_tokens": 3}, "more": nested(depth - 1)}
    end = json.dumps({"type": "message-end", "delta": {"finish_reason": "X", "usage": used}})
    body = call + cited + f"data: {end}\n\n".encode()
    reply = chunking.run(decoder(records.call({"includeRaw": True}), _OK), [body])[1]
    part, *citations = reply.message.parts()
    assert part.type == "toolCall"
    assert (part.parse_error is None, len(citations), reply.usage is not None) == (
        (True, 1, True) if reads else (False, 0, False)
    )


# --- what it costs -------------------------------------------------------------------------------

_TOKENS = {"input_tokens": 1_000_000, "output_tokens": 1_000_000}
_BILLS: list[tuple[Any, str | None]] = [
    ({"input_tokens": 1000, "output_tokens": 100}, "0.0035"),
    ({"input_tokens": 1000.0}, "0.0025"),
    ({}, None),
    (None, None),
    ({"images": 1}, None),
]


@pytest.mark.parametrize(("units", "amount"), _BILLS)
def test_cost_comes_from_billed_units_alone(units: Any, amount: str | None) -> None:
    """Command A takes 2.5 USD for a million tokens, and 10 USD for a million of its own."""
    usage = {"tokens": _TOKENS, "billed_units": units}
    body = json.dumps({"message": {"content": "a"}, "finish_reason": "COMPLETE", "usage": usage})
    reply = chunking.run(decoder(records.call(), _OK), [body.encode()])[1]
    cost = cost_of(reply, load()["cohere"], "command-a-03-2025", at_ms=1_790_000_000_000)
    assert cost.amount == amount
    assert cost.source == ("unknown" if amount is None else "catalog")
    assert reply.usage is not None
    assert reply.usage.input_fresh == 1_000_000
