"""What an OpenAI-style answer says about its own end: tokens, money and the finish word.

Knows every place and spelling in which compatible providers put these. Must not know a provider:
where two readings are possible, the provider's own total decides, and only then the record.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Final

from byokd.catalog.record import Quirks
from byokd.dialects.base.call import Fault
from byokd.dialects.base.json_pointer import at_pointer
from byokd.dialects.base.usage_known import counted
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.errors import Kind
from byokd.protocol.events import FinishReason, UnifiedReason
from byokd.protocol.usage import Usage

# --- tokens --------------------------------------------------------------------------------------

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


def read_usage(raw: JsonObject, quirks: Quirks) -> Usage | None:
    """Return disjoint buckets, nothing counted in two of them; None where nothing is counted."""
    prompt, completion = _count(raw, _INPUT), _count(raw, _OUTPUT)
    read, write = _count(raw, _CACHE_READ), _count(raw, _CACHE_WRITE)
    total = _count(raw, ("/total_tokens",))
    said, thought = _output(prompt, completion, _count(raw, _REASONING), total, quirks)
    # Azure's Grok counted 373 cached of 235 prompt tokens: what does not fit in is not in.
    inside = quirks.cache_in_prompt and read + write <= prompt
    usage = Usage(
        input_fresh=prompt - read - write if inside else prompt,
        input_cache_read=read,
        input_cache_write=write,
        output_text=said,
        output_reasoning=thought,
        searches=_count(raw, _SEARCHES),
        raw=raw,
    )
    return counted(usage, (at_pointer(raw, place) for place in (*_INPUT, *_OUTPUT)), total)


def _output(
    prompt: int, completion: int, reasoning: int, total: int, quirks: Quirks
) -> tuple[int, int]:
    """Return how many tokens were said and how many thought.

    The completion tokens include those of reasoning, but not xAI's. OpenRouter, Together and
    gateways estimate reasoning, and then more may be thought than the whole answer had (16 tokens
    of 21, recorded 2025-2026): no more counts than was in it, if the total says it was.
    """
    inside = quirks.reasoning_in_completion
    if reasoning > completion:
        inside = inside and total == prompt + completion
    elif reasoning and total in {prompt + completion, prompt + completion + reasoning}:
        inside = total == prompt + completion
    if not inside:
        return completion, reasoning
    thought = min(reasoning, completion)
    return completion - thought, thought


_COUNTABLE: Final = 2**53
"""JSON writes 1e400 and means infinity; beyond this no number is a count of tokens."""


def _count(raw: JsonObject, places: tuple[str, ...]) -> int:
    """Return the first count that is not zero; zero says the same as nothing."""
    for place in places:
        value = at_pointer(raw, place)
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if 1 <= value < _COUNTABLE:
            return int(value)
    return 0


# --- money ---------------------------------------------------------------------------------------


def read_cost(chunk: JsonObject, quirks: Quirks) -> str | None:
    """Return the price in USD as decimal text, where this chunk names it.

    `cost_extra_pointer` is added where `cost_extra_when` is true: with the person's own key behind
    it, OpenRouter's `cost` is its fee alone and the model's price is in `cost_details`.
    """
    if quirks.cost_pointer is None:
        return None
    amount = _money(at_pointer(chunk, quirks.cost_pointer))
    if amount is None:
        return None
    extra = quirks.cost_extra_pointer
    if extra and (quirks.cost_extra_when is None or at_pointer(chunk, quirks.cost_extra_when)):
        added = _money(at_pointer(chunk, extra))
        if added is None and quirks.cost_extra_when is not None:
            return None  # the fee alone would be a wrong price
        amount += added or 0
    return _plain(amount / quirks.cost_divisor)


def header_cost(value: str | None) -> str | None:
    """Return the price that a header names, as decimal text, or None where it is no price."""
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


# --- the finish word -----------------------------------------------------------------------------

_UNIFIED: Final[dict[str, UnifiedReason]] = {
    "stop": "stop",
    "eos": "stop",  # Together
    "eos_token": "stop",  # Hugging Face TGI
    "stop_sequence": "stop",
    "end_turn": "stop",
    "complete": "stop",
    "length": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_length": "length",  # Mistral
    "model_context_window_exceeded": "length",  # GLM
    "tool_calls": "toolCalls",
    "tool_use": "toolCalls",
    "function_call": "toolCalls",
    "content_filter": "contentFilter",
    "content_filtered": "contentFilter",
    "safety": "contentFilter",
    "refusal": "contentFilter",
    "sensitive": "contentFilter",  # GLM
}

_ERROR_WORDS: Final[dict[str, Kind]] = {
    "error": "providerError",
    "network_error": "providerError",  # GLM
    "insufficient_system_resource": "providerOverloaded",  # DeepSeek
}

_ERROR_SAYS: Final[dict[Kind, str]] = {
    "providerError": "the provider failed while it answered; try again",
    "providerOverloaded": "the provider ran out of capacity while it answered; try again later",
}


def finish_reason(word: str | None, *, called: bool) -> FinishReason:
    """Return why the answer ended. `called` tells whether the message holds tool calls.

    Several providers say `stop` with tool calls (Gemini and Ollama, recorded 2025), and TGI says
    nothing at all.
    """
    unified = _UNIFIED.get(word.lower(), "other") if word else "other"
    if called and (unified == "stop" or word is None):
        unified = "toolCalls"
    return FinishReason(unified=unified, raw=word)


def finish_fault(word: str | None) -> Fault | None:
    """Return the fault that a finish word stands for, or None."""
    kind = _ERROR_WORDS.get(word.lower()) if word else None
    if kind is None:
        return None
    return Fault(kind, "neutral", _ERROR_SAYS[kind], retryable=True, provider_code=word)
