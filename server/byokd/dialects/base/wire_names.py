"""The names of `chat/send` parameters on the wire, in all formats together."""

from __future__ import annotations

from typing import Final

from byokd.protocol.chat import SendParams

WIRE_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "maxOutputTokens": (
        "max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens", "maxTokens",
        "num_predict",
    ),
    "temperature": ("temperature",),
    "topP": ("top_p", "topP", "p"),
    "stop": ("stop", "stop_sequences", "stopSequences"),
    "seed": ("seed", "random_seed"),
    "toolChoice": ("tool_choice", "toolChoice", "functionCallingConfig"),
    "responseFormat": (
        "response_format", "format", "responseMimeType", "responseJsonSchema", "responseSchema",
        "outputConfig",
    ),
    "reasoning": (
        "reasoning_effort", "reasoning", "effort", "thinking", "enable_thinking", "think",
        "thinkingConfig", "thinkingLevel", "thinkingBudget", "thinking_budget", "reasoningConfig",
        "reasoning_config",
    ),
    "tools": ("tools",),
    "messages": ("messages", "input", "contents", "system", "systemInstruction"),
    "model": ("model",),
    "stream": ("stream",),
}  # fmt: skip
"""The client's parameter to its names on the wire."""

ADDED_BY_DIALECTS: Final = frozenset(
    {
        "stream_options", "parallel_tool_calls", "include", "includeThoughts", "summary", "display",
        "disable_parallel_tool_use", "prompt_cache_key", "prompt_cache_options",
        "prompt_cache_retention",
    }
)  # fmt: skip
"""Fields that dialects add by themselves, also inside the field of a parameter."""

_PARAMETERS: Final = {name: parameter for parameter, names in WIRE_NAMES.items() for name in names}
_ATTRIBUTES: Final = {
    "maxOutputTokens": "max_output_tokens",
    "topP": "top_p",
    "toolChoice": "tool_choice",
    "responseFormat": "response_format",
}


def parameter_at(path: tuple[str, ...], params: SendParams) -> str | None:
    """Return the client's parameter that a field of the body was written from, if any."""
    for name in reversed(path):
        if name in ADDED_BY_DIALECTS:
            return None
        if parameter := _PARAMETERS.get(name):
            value = getattr(params, _ATTRIBUTES.get(parameter, parameter))
            return None if value in (None, ()) else parameter
    return None
