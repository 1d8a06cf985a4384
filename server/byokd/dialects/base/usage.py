"""Reads token counts and prices, wherever providers put them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Final, Literal

from byokd.catalog.quirks.shared import Quirks
from byokd.dialects.base.json import as_index
from byokd.dialects.base.json_pointer import at_pointer
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.usage import Usage

_COUNTABLE: Final = 2**53
"""Larger numbers (1e400 parses as infinity) are not a count of tokens."""


def token_count(value: Json) -> int:
    """Return a count of tokens, 0 for anything else."""
    return reported_count(value) or 0


def reported_count(value: Json) -> int | None:
    """Return a count of tokens, also zero; None for anything else.

    Google's servers write 64-bit numbers as text in JSON, so digits in text count, too.
    """
    if isinstance(value, str):
        value = as_index(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value < _COUNTABLE else None


# --- several frames -------------------------------------------------------------------------------

_PROMPTS: Final = (
    "prompt_tokens", "input_tokens", "inputTokens", "promptTokenCount", "prompt_eval_count",
    "promptTokens",
)  # fmt: skip
_ANSWERS: Final = (
    "completion_tokens", "output_tokens", "outputTokens", "candidatesTokenCount", "eval_count",
    "completionTokens",
)  # fmt: skip
_NEVER_LESS: Final = frozenset({*_PROMPTS, *_ANSWERS})
_TOTALS: Final = ("total_tokens", "totalTokens", "totalTokenCount")


def merged_usage(earlier: JsonObject, later: JsonObject) -> JsonObject:
    """Return the usage of an answer after a further frame.

    Counts are cumulative, so what a later frame lacks, or has as null, stays as it was; so do
    counts of the prompt and of the answer that fall back to zero. `message_delta` may correct
    `message_start`; gateways begin with nulls and zeros (recorded 2025-2026), and end with the
    answer's count alone.

    A total is only of the counts in its own frame. With a prompt beside it, that frame lacks only
    counts of zero (Gemini, recorded 2026), and perhaps what was cached.
    """
    if not earlier:
        return later
    if _stands_alone(later):
        earlier = {name: value for name, value in earlier.items() if not _is_plain(name, value)}
    # With the cache counted beside it, nothing of the prompt may be left.
    cached = any("cache" in name.lower() and token_count(later[name]) for name in later)
    merged = earlier | {
        name: _later(name, earlier.get(name), value, cached=cached) for name, value in later.items()
    }
    if any(merged[name] != earlier.get(name) for name in later):
        for name in _TOTALS:
            if later.get(name) is None:
                merged.pop(name, None)
    return merged


def _stands_alone(usage: JsonObject) -> bool:
    return any(token_count(usage.get(name)) for name in _PROMPTS) and any(
        token_count(usage.get(name)) for name in _TOTALS
    )


def _is_plain(name: str, value: Json) -> bool:
    """Tell whether a value is a count, and not one of the cache."""
    return reported_count(value) is not None and "cache" not in name.lower()


def _later(name: str, earlier: Json, later: Json, *, cached: bool) -> Json:
    if isinstance(earlier, dict) and isinstance(later, dict):
        return earlier | {
            inner: value
            if isinstance(value, dict)
            else _later(inner, earlier.get(inner), value, cached=cached)
            for inner, value in later.items()
        }
    lost = name in _NEVER_LESS and reported_count(later) == 0 and not cached
    return earlier if later is None or (lost and token_count(earlier)) else later


@dataclass(frozen=True, slots=True)
class Counts:
    """The provider's counts of one call, which may overlap.

    Attributes:
        prompt: None if the provider did not report it.
        completion: the same.
        total: 0 if the provider reports none.
        cache_inside: whether the prompt includes the cached tokens, if the total does not show it.
        reasoning_inside: whether the completion includes the reasoning, likewise.
        rest: where tokens belong that only the total counts: thoughts that are not shown, media of
            the prompt or of the answer, or unknown.
    """

    prompt: int | None
    completion: int | None
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0
    total: int = 0
    cache_inside: bool = True
    reasoning_inside: bool = True
    rest: Literal["reasoning", "input", "text", "unknown"] = "unknown"


def usage_of(counts: Counts, raw: JsonObject, searches: int = 0) -> Usage | None:
    """Return disjoint buckets that add up to the provider's total, or None without a count.

    If a count can be read in two ways, the total decides. Empty buckets are no usage if the total
    is not zero, because they would claim that the call was free.
    """
    beside = counts.cache_read + counts.cache_write + counts.reasoning
    if counts.prompt is None and counts.completion is None and not beside:
        return None
    counts = _completed(counts)
    prompt, completion = counts.prompt or 0, counts.completion or 0
    cache_inside, reasoning_inside = _reading(counts, prompt, completion)
    read, write, reasoning = counts.cache_read, counts.cache_write, counts.reasoning
    if cache_inside:
        read, write = _within(prompt, read, write)
    if reasoning_inside:
        reasoning = min(reasoning, completion)
    fresh = prompt - read - write if cache_inside else prompt
    text = completion - reasoning if reasoning_inside else completion
    rest = max(0, counts.total - fresh - read - write - text - reasoning)
    if counts.rest == "input":
        fresh += rest
    elif counts.rest == "reasoning":
        reasoning += rest
    elif counts.rest == "text":
        text += rest
    if counts.total and not (beside or prompt or completion):
        return None
    unknown = None in {counts.prompt, counts.completion}
    return Usage(
        input_fresh=None if counts.prompt is None else fresh,
        input_cache_read=read,
        input_cache_write=write,
        output_text=None if counts.completion is None else text,
        output_reasoning=reasoning,
        searches=searches,
        partial=unknown or (rest > 0 and counts.rest == "unknown"),
        raw=raw,
    )


def _completed(counts: Counts) -> Counts:
    """Return the counts with a missing one filled in from the total, where it shows it."""
    cached = counts.cache_read + counts.cache_write
    missing = counts.prompt is None or not (counts.prompt or cached or counts.completion == 0)
    if missing and counts.completion is not None:
        inside = counts.reasoning_inside and counts.reasoning <= counts.completion
        output = counts.completion if inside else counts.completion + counts.reasoning
        prompt = counts.total - output
        # A prompt of no tokens does not exist.
        return replace(counts, prompt=prompt, cache_inside=True) if prompt > 0 else counts
    if counts.completion is None and counts.prompt is not None and counts.total:
        inside = counts.cache_inside and cached <= counts.prompt
        prompt = counts.prompt if inside else counts.prompt + cached
        return replace(counts, completion=max(0, counts.total - prompt), reasoning_inside=True)
    return counts


def _reading(counts: Counts, prompt: int, completion: int) -> tuple[bool, bool]:
    """Return whether the prompt includes the cache, and the completion the reasoning.

    The reading that gives the total counts. Else it is the usual one, unless a part would be more
    than the whole, or the sum more than the total.
    """
    read, write, reasoning = counts.cache_read, counts.cache_write, counts.reasoning

    def size(reading: tuple[bool, bool]) -> int:
        cache_inside, reasoning_inside = reading
        cached = 0 if cache_inside else read + write
        return prompt + cached + completion + (0 if reasoning_inside else reasoning)

    usual, apart = counts.cache_inside, counts.reasoning_inside
    readings = [(usual, apart), (usual, not apart), (not usual, apart), (not usual, not apart)]
    total = counts.total
    exact = next((reading for reading in readings if size(reading) == total), None)
    if total and exact is not None:
        return exact
    # The same tokens may be written to the cache and read from it (OpenRouter, recorded 2025).
    fits = read + write <= prompt or read == write <= prompt
    likely = (counts.cache_inside and fits, counts.reasoning_inside and reasoning <= completion)
    if not total or size(likely) <= total:
        return likely
    below = [reading for reading in readings if size(reading) <= total]
    return max(below, key=size) if below else min(readings, key=size)


def _within(prompt: int, read: int, write: int) -> tuple[int, int]:
    """Return the cached tokens, at most the prompt; tokens both read and written count as read."""
    if read + write <= prompt:
        return read, write
    read = min(read, prompt)
    return read, min(max(0, write - read), prompt - read)


# --- money ----------------------------------------------------------------------------------------


_STATED_COSTS: Final = (
    "cost",  # OpenRouter, Vercel AI Gateway, Requesty, Cline
    "cost_usd_total",  # LLM Gateway (docs.llmgateway.io, cost breakdown, 2026-11)
    "estimated_cost",  # DeepInfra
)
"""Fields of a usage that hold the price in USD."""

_TICKS: Final = "cost_in_usd_ticks"
_TICKS_PER_USD: Final = 10**10
COST_HEADER: Final = "x-litellm-response-cost"
"""LiteLLM's header, also in front of other formats (docs.litellm.ai, response headers, 2026)."""


def read_cost(usage: JsonObject, chunk: JsonObject, quirks: Quirks) -> str | None:
    """Return the price in USD as decimal text, or None.

    It is where the record points, else in a field of the usage that gateways document.
    """
    pointer = quirks.cost_pointer
    if pointer is not None and at_pointer(chunk, pointer) is not None:
        return _pointed_cost(chunk, pointer, quirks)
    return _stated_cost(usage)


def _pointed_cost(chunk: JsonObject, pointer: str, quirks: Quirks) -> str | None:
    amount = _money(at_pointer(chunk, pointer))
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


def _stated_cost(usage: JsonObject) -> str | None:
    ticks = _money(usage.get(_TICKS))
    if ticks:  # 0 at a reseller that bills in its own way (Azure, recorded 2026)
        return _plain(ticks / _TICKS_PER_USD)
    stated = (_priced(usage.get(name)) for name in _STATED_COSTS)
    amount = next((money for money in stated if money is not None), None)
    if amount is None:
        return None
    if usage.get("is_byok"):
        added = _money(at_pointer(usage, "/cost_details/upstream_inference_cost"))
        if added is None:
            return None
        amount += added
    return _plain(amount)


def _priced(value: Json) -> Decimal | None:
    """Return an amount, or the total of an object with parts (Perplexity, recorded 2025)."""
    if not isinstance(value, dict):
        return _money(value)
    return _money(value.get("total_cost")) if value.get("currency") in {None, "USD"} else None


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
