"""Reads token counts and prices, wherever providers put them.

If a count can be read in two ways, the provider's total decides, else the record.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Final

from byokd.catalog.quirks.shared import Quirks
from byokd.dialects.base.json_pointer import at_pointer
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.usage import Usage

_COUNTABLE: Final = 2**53
"""Larger numbers (1e400 parses as infinity) are not a count of tokens."""


def token_count(value: Json) -> int:
    """Return a count of tokens, 0 for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return int(value) if 1 <= value < _COUNTABLE else 0


def known_usage(usage: Usage, reported: Iterable[Json], total: int = 0) -> Usage | None:
    """Return the usage, or None if its empty buckets would falsely claim that the call was free.

    Args:
        usage: the buckets.
        reported: the provider's token counts; a zero among them is a count.
        total: the provider's total; if it is not zero, empty buckets are wrong.
    """
    tokens = (
        usage.input_fresh,
        usage.input_cache_read,
        usage.input_cache_write,
        usage.output_text,
        usage.output_reasoning,
    )
    if any(tokens) or (total == 0 and any(_is_count(value) for value in reported)):
        return usage
    return None


def _is_count(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


# --- OpenAI's fields ------------------------------------------------------------------------------

_INPUT: Final = ("/prompt_tokens", "/input_tokens")
_OUTPUT: Final = ("/completion_tokens", "/output_tokens")
_CACHE_READ: Final = (
    "/prompt_tokens_details/cached_tokens",
    "/prompt_token_details/cached_tokens",  # Mistral's own misspelling
    "/input_tokens_details/cached_tokens",
    "/prompt_cache_hit_tokens",  # DeepSeek
    "/cache_read_input_tokens",  # LiteLLM in front of Anthropic
    "/cached_tokens",  # Together; Anthropic's compatible layer
    "/num_cached_tokens",  # Mistral
)
_CACHE_WRITE: Final = (
    "/prompt_tokens_details/cache_write_tokens",  # OpenAI from GPT-5.6, OpenRouter
    "/input_tokens_details/cache_write_tokens",
    "/prompt_tokens_details/cache_creation_input_tokens",  # DashScope
    "/prompt_tokens_details/cache_creation_tokens",
    "/cache_creation_input_tokens",
)
_REASONING: Final = (
    "/completion_tokens_details/reasoning_tokens",
    "/output_tokens_details/reasoning_tokens",
    "/reasoning_tokens",  # Together, Perplexity
)
_SEARCHES: Final = (
    "/num_search_queries",  # Perplexity
    "/server_tool_use_details/web_search_requests",  # OpenRouter
    "/server_tool_use/web_search_requests",
    "/web_search_usage/tool_usage",  # Xiaomi MiMo
)


def read_usage(
    raw: JsonObject, *, cache_in_prompt: bool, reasoning_in_completion: bool
) -> Usage | None:
    """Return disjoint buckets from OpenAI's fields; None without a count.

    Args:
        raw: `usage` of Chat Completions or Responses.
        cache_in_prompt: whether prompt tokens include the cache.
        reasoning_in_completion: whether completion tokens include reasoning, if the total does not
            show it.
    """
    prompt, completion = _first_count(raw, _INPUT), _first_count(raw, _OUTPUT)
    read, write = _first_count(raw, _CACHE_READ), _first_count(raw, _CACHE_WRITE)
    reasoning, total = _first_count(raw, _REASONING), token_count(raw.get("total_tokens"))
    text_tokens, reasoning_tokens = _output(
        prompt, completion, reasoning, total, reasoning_in_completion=reasoning_in_completion
    )
    # Azure's Grok counted 373 cached of 235 prompt tokens: then the prompt does not include them.
    inside = cache_in_prompt and read + write <= prompt
    usage = Usage(
        input_fresh=prompt - read - write if inside else prompt,
        input_cache_read=read,
        input_cache_write=write,
        output_text=text_tokens,
        output_reasoning=reasoning_tokens,
        searches=_first_count(raw, _SEARCHES),
        raw=raw,
    )
    return known_usage(usage, (at_pointer(raw, field) for field in (*_INPUT, *_OUTPUT)), total)


def _output(
    prompt: int, completion: int, reasoning: int, total: int, *, reasoning_in_completion: bool
) -> tuple[int, int]:
    """Return the tokens of text and of reasoning.

    Completion tokens include reasoning, except at xAI. OpenRouter, Together and gateways estimate
    it, sometimes above completion (16 of 21, recorded 2025-2026); it is capped if the total shows
    that it was included.
    """
    inside = reasoning_in_completion
    if reasoning > completion:
        inside = inside and total == prompt + completion
    elif reasoning and total in {prompt + completion, prompt + completion + reasoning}:
        inside = total == prompt + completion
    if not inside:
        return completion, reasoning
    capped = min(reasoning, completion)
    return completion - capped, capped


def _first_count(raw: JsonObject, fields: tuple[str, ...]) -> int:
    for field in fields:
        if count := token_count(at_pointer(raw, field)):
            return count
    return 0


# --- money ----------------------------------------------------------------------------------------


def read_cost(chunk: JsonObject, quirks: Quirks) -> str | None:
    """Return the price in USD as decimal text, or None."""
    if quirks.cost_pointer is None:
        return None
    amount = _money(at_pointer(chunk, quirks.cost_pointer))
    if amount is None:
        return None
    # With the person's own key, OpenRouter's `cost` is only its fee; the model's price is in
    # `cost_details`.
    extra = quirks.cost_extra_pointer
    if extra and (quirks.cost_extra_when is None or at_pointer(chunk, quirks.cost_extra_when)):
        added = _money(at_pointer(chunk, extra))
        if added is None and quirks.cost_extra_when is not None:
            return None  # the fee alone would be a wrong price
        amount += added or 0
    return _plain(amount / quirks.cost_divisor)


def header_cost(value: str | None) -> str | None:
    amount = _money(value)
    return None if amount is None else _plain(amount)


def _money(value: Json) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = Decimal(str(value)[:64])
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and amount >= 0 else None


def _plain(amount: Decimal) -> str:
    text = f"{amount:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"
