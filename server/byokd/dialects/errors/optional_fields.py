"""The closed list of what a fallback may change in a request, by its names on the wire.

The messages, the tools, the model and `store` (whether the provider may keep the chat) are not on
the list: no fallback changes them.
"""

from __future__ import annotations

from typing import Final

OUTPUT_CAP: Final = "maxOutputTokens"
"""The client's name of the only parameter that is moved to a bound."""

STREAM: Final = "stream"
"""Not left out and not renamed: a fallback can only ask for a stream where there was none."""

_BY_PARAMETER: Final = {
    OUTPUT_CAP: (
        "max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens", "maxTokens",
        "num_predict",
    ),
    "temperature": ("temperature",),
    "topP": ("top_p", "topP", "p"),
    "stop": ("stop", "stop_sequences", "stopSequences"),
    "seed": ("seed", "random_seed"),
    "toolChoice": ("tool_choice", "toolChoice"),
    "responseFormat": (
        "response_format", "format", "responseMimeType", "responseJsonSchema", "responseSchema",
        "outputConfig",
    ),
    "reasoning": (
        "reasoning_effort", "reasoning", "effort", "thinking", "enable_thinking", "think",
        "thinkingConfig", "thinkingLevel", "thinkingBudget", "thinking_budget", "reasoningConfig",
        "reasoning_config",
    ),
}  # fmt: skip
"""A parameter of the client to its names on the wire."""

_RAW: Final = (
    "top_k", "topK", "k", "min_p", "presence_penalty", "presencePenalty", "frequency_penalty",
    "frequencyPenalty", "repetition_penalty", "logit_bias", "logprobs", "top_logprobs", "n",
    "user", "metadata", "service_tier", "verbosity", "prompt_cache_key",
)  # fmt: skip
"""Fields that only `providerOptions` sends."""

ADDED: Final = frozenset(
    {"stream_options", "parallel_tool_calls", "include", "includeThoughts", "summary", "display"}
)
"""Fields that dialects add on their own; the client loses nothing without them."""

PARAMETERS: Final = dict.fromkeys((*ADDED, *_RAW), "") | {
    name: parameter for parameter, names in _BY_PARAMETER.items() for name in names
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
