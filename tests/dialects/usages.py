"""Token counts in the words of each format."""

from __future__ import annotations

from typing import Any

from byokd.protocol.usage import Usage

Json = dict[str, Any]

PLACES: dict[str, str | None] = {"gemini": "usageMetadata", "ollama_chat": None}
NAMES: dict[str, Json] = {
    "openai_chat": {
        "prompt": "/prompt_tokens",
        "completion": "/completion_tokens",
        "read": "/prompt_tokens_details/cached_tokens",
        "write": "/prompt_tokens_details/cache_write_tokens",
        "reasoning": "/completion_tokens_details/reasoning_tokens",
        "total": "/total_tokens",
    },
    "openai_responses": {
        "prompt": "/input_tokens",
        "completion": "/output_tokens",
        "read": "/input_tokens_details/cached_tokens",
        "write": "/input_tokens_details/cache_write_tokens",
        "reasoning": "/output_tokens_details/reasoning_tokens",
        "total": "/total_tokens",
    },
    "anthropic_messages": {
        "prompt": "/input_tokens",
        "completion": "/output_tokens",
        "read": "/cache_read_input_tokens",
        "write": "/cache_creation_input_tokens",
        "reasoning": "/output_tokens_details/thinking_tokens",
        "total": "/total_tokens",
    },
    "gemini": {
        "prompt": "/promptTokenCount",
        "completion": "/candidatesTokenCount",
        "read": "/cachedContentTokenCount",
        "reasoning": "/thoughtsTokenCount",
        "total": "/totalTokenCount",
    },
    "bedrock_converse": {
        "prompt": "/inputTokens",
        "completion": "/outputTokens",
        "read": "/cacheReadInputTokens",
        "write": "/cacheWriteInputTokens",
        "total": "/totalTokens",
    },
    "cohere_chat": {
        "prompt": "/tokens/input_tokens",
        "completion": "/tokens/output_tokens",
        "read": "/cached_tokens",
        "reasoning": "/tokens/reasoning_tokens",
    },
    "ollama_chat": {"prompt": "/prompt_eval_count", "completion": "/eval_count"},
}


def written(dialect: str, counts: Json) -> Json:
    """Return counts in the words of a format."""
    usage: Json = {}
    for name, count in counts.items():
        if path := NAMES[dialect].get(name):
            *outer, last = path.strip("/").split("/")
            holder = usage
            for step in outer:
                holder = holder.setdefault(step, {})
            holder[last] = count
    return usage


def buckets(usage: Usage) -> list[int]:
    """Return the five buckets; 0 for an unknown one."""
    return [
        usage.input_fresh or 0,
        usage.input_cache_read,
        usage.input_cache_write,
        usage.output_text or 0,
        usage.output_reasoning,
    ]
