"""What an answer says, in the few words that both readings of it can be compared in.

Knows byokd's replies. Must not know a vendor: each adapter fills this from its client's own types.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from byokd.dialects.base.call import Reply
from byokd.protocol.parts import ReasoningPart, TextPart, ToolCallPart


@dataclass
class AnswerSummary:
    """One answer. `finish` is the provider's own word, tokens are all that went in and came out."""

    text: str = ""
    reasoning: str = ""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    finish: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


def from_reply(reply: Reply) -> AnswerSummary:
    """Return what byokd read."""
    said = AnswerSummary(finish=reply.finish_reason.raw if reply.finish_reason else None)
    for part in reply.message.parts():
        if isinstance(part, TextPart):
            said.text += part.text
        elif isinstance(part, ReasoningPart):
            said.reasoning += part.text
        elif isinstance(part, ToolCallPart):
            said.calls.append((part.name, part.raw_arguments or part.arguments))
    if (usage := reply.usage) is not None:
        said.input_tokens = usage.input_fresh + usage.input_cache_read + usage.input_cache_write
        said.output_tokens = usage.output_text + usage.output_reasoning
    return said


def parsed(arguments: str | None) -> Any:
    """Return a call's arguments, or their text where it is not JSON."""
    try:
        return json.loads(arguments) if arguments else {}
    except ValueError:
        return arguments
