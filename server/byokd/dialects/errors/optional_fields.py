"""The closed list of what a fallback may change in a request, by its names on the wire.

Not on it are the messages, the tools, the model and `store` (the provider keeps the chat).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from byokd.dialects.base.effort import SCALE, nearest_effort
from byokd.dialects.base.wire_names import ADDED_BY_DIALECTS, WIRE_NAMES
from byokd.protocol.base import Json

OUTPUT_CAP: Final = "maxOutputTokens"
"""The client's name of the only parameter that is moved to a bound."""

REASONING: Final = "reasoning"
"""The client's name of the parameter whose words have an order."""

STREAM: Final = "stream"
"""Not left out and not renamed: a fallback can only ask for a stream where there was none."""

_OPTIONAL: Final = (
    OUTPUT_CAP,
    "temperature",
    "topP",
    "stop",
    "seed",
    "toolChoice",
    "responseFormat",
    "reasoning",
)
"""The client's parameters that a request can do without."""

_RAW: Final = (
    "top_k", "topK", "k", "min_p", "presence_penalty", "presencePenalty", "frequency_penalty",
    "frequencyPenalty", "repetition_penalty", "logit_bias", "logprobs", "top_logprobs", "n",
    "user", "metadata", "service_tier", "verbosity",
)  # fmt: skip
"""Fields that only `providerOptions` sends."""

PARAMETERS: Final = dict.fromkeys((*ADDED_BY_DIALECTS, *_RAW), "") | {
    name: parameter for parameter in _OPTIONAL for name in WIRE_NAMES[parameter]
}
"""Every optional field to the client's parameter, which is empty for a raw or an added field."""

CONTAINERS: Final = frozenset(
    {
        "generationConfig", "thinkingConfig", "inferenceConfig", "additionalModelRequestFields",
        "toolConfig", "options", "output_config", "text", "reasoning", "thinking",
    }
)  # fmt: skip
"""Objects of a body that hold optional fields."""

OTHER_CAP: Final = {
    "max_tokens": "max_completion_tokens",
    "max_completion_tokens": "max_tokens",
}
"""The two names of the output cap in chat completions; the cap is renamed before it is left out."""

_UNFORCED: Final = frozenset({"auto", "none"})


def forces_tool(choice: Json) -> bool:
    """Tell whether a tool choice, in any format, demands a call."""
    if isinstance(choice, dict):
        config = choice.get("functionCallingConfig")
        inner = config if isinstance(config, dict) else choice
        word = inner.get("type", inner.get("mode", next(iter(inner), None)))
    else:
        word = choice
    return str(word).lower() not in _UNFORCED


def accepted_effort(sent: Json, accepted: Sequence[str]) -> str | None:
    """Return the accepted word nearest to an effort that was refused.

    None if one of them is on another scale. Thinking is not switched off for an effort: without
    the field a model thinks as it does by default.
    """
    refused = next((effort for effort in SCALE if str(sent).lower() == effort), None)
    words = {word.lower(): word for word in accepted if word.lower() in SCALE}
    if refused is None or refused in words:
        return None
    effort = nearest_effort(refused, words)
    return None if effort is None else words.get(effort)
