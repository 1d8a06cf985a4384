"""A summary of an answer, in which byokd's reading and a vendor client's can be compared.

Each adapter under `sdks/` fills it from its client's types.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from byokd.dialects.base.call import Reply
from byokd.protocol.parts import ReasoningPart, TextPart, ToolCallPart


@dataclass
class AnswerSummary:
    """One answer. `finish` is the provider's own word; the token counts are totals."""

    text: str = ""
    reasoning: str = ""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    finish: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


def from_reply(reply: Reply) -> AnswerSummary:
    """Return the summary of byokd's reply."""
    summary = AnswerSummary(finish=reply.finish_reason.raw if reply.finish_reason else None)
    for part in reply.message.parts():
        if isinstance(part, TextPart):
            summary.text += part.text
        elif isinstance(part, ReasoningPart):
            summary.reasoning += part.text
        elif isinstance(part, ToolCallPart):
            summary.calls.append((part.name, part.raw_arguments or part.arguments))
    if (usage := reply.usage) is not None:
        cached = usage.input_cache_read + usage.input_cache_write
        summary.input_tokens = (usage.input_fresh or 0) + cached
        summary.output_tokens = (usage.output_text or 0) + usage.output_reasoning
    return summary


def parsed(arguments: str | None) -> Any:
    """Return the parsed arguments of a call, or their text if it is no JSON."""
    try:
        return json.loads(arguments) if arguments else {}
    except ValueError:
        return arguments
