"""Reads recorded bodies without byokd's decoders: token counts, cost and finish reason.

Each rule states how the provider's API counts, so that byokd's reading is compared with the API's
documentation and not with itself.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

Json = dict[str, Any]
Buckets = dict[str, int | None]

BUCKETS: Final = (
    "inputFresh",
    "inputCacheRead",
    "inputCacheWrite",
    "outputText",
    "outputReasoning",
)
_USD_TICKS: Final = Decimal(10) ** 10  # xAI: `cost_in_usd_ticks` counts 1e-10 USD


# --- documents -----------------------------------------------------------------------------------


def documents(body: bytes) -> list[Json]:
    """Return the JSON objects of a body: whole, array, JSON lines, SSE or AWS event stream."""
    if body.startswith(b"\0"):
        texts = list(_frames(body))
    elif (whole := _parse(body)) is not None:
        return [value for value in (whole if isinstance(whole, list) else [whole]) if value]
    else:
        texts = [_without_field(line) for line in body.splitlines()]
    return [value for text in texts if isinstance(value := _parse(text), dict)]


def _parse(text: bytes) -> Any:
    try:
        return json.loads(text, parse_float=Decimal)
    except ValueError:
        return None


def _without_field(line: bytes) -> bytes:
    name, colon, value = line.partition(b":")
    return value if colon and name in {b"data", b"error"} else line


def _frames(body: bytes) -> Iterator[bytes]:
    """Yield the payloads of an AWS event stream: lengths, checksum, headers, payload, checksum."""
    at = 0
    while at + 16 <= len(body):
        total, headers = struct.unpack(">II", body[at : at + 8])
        yield body[at + 12 + headers : at + total - 4]
        at += total


# --- token counts --------------------------------------------------------------------------------


def buckets(api: str, body: bytes) -> Buckets | None:
    """Return byokd's five buckets from the API's own counts; None where there are no counts."""
    snapshots = [usage for document in documents(body) for usage in _usages(document)]
    if not snapshots:
        return None
    if api == "anthropic-messages":
        merged: Json = {}
        for usage in snapshots:  # the start counts the input, the end the output
            merged |= {name: value for name, value in usage.items() if value is not None}
        return _anthropic(merged)
    return _RULES.get(api, _openai)(snapshots[-1])  # snapshots are cumulative


def _usages(document: Json) -> Iterator[Json]:
    """Yield the usage objects of a document, wherever an API puts them."""
    if "eval_count" in document or "prompt_eval_count" in document:
        yield document
    for holder in (
        document,
        *_objects(document, "message", "response", "delta", "x_groq", "result"),
    ):
        yield from (usage for usage in _objects(holder, "usage", "usageMetadata") if usage)


def _objects(document: Json, *names: str) -> Iterator[Json]:
    return (document[name] for name in names if isinstance(document.get(name), dict))


def _count(document: Json, *names: str) -> int:
    """Return the first count that is there, or 0."""
    return next((int(document[name]) for name in names if document.get(name) is not None), 0)


def _openai(usage: Json) -> Buckets:
    """Chat Completions and Responses: the prompt includes what came from and went to the cache.

    So the cache counts cannot be more than the prompt. The completion includes the reasoning,
    except where the total shows tokens beside prompt and completion (xAI).
    """
    read_details = usage.get("prompt_tokens_details") or usage.get("input_tokens_details") or {}
    output_details = (
        usage.get("completion_tokens_details") or usage.get("output_tokens_details") or {}
    )
    prompt = _count(usage, "prompt_tokens", "input_tokens")
    completion = _count(usage, "completion_tokens", "output_tokens")
    read = _count(read_details, "cached_tokens") or _count(
        usage, "prompt_cache_hit_tokens", "cached_tokens"
    )
    write = _count(read_details, "cache_write_tokens", "cache_creation_input_tokens")
    read = min(read, prompt)
    write = min(write, prompt - read)
    total = _count(usage, "total_tokens") or prompt + completion
    beside = max(0, total - prompt - completion)
    reasoning = _count(output_details, "reasoning_tokens") or _count(usage, "reasoning_tokens")
    reasoning = max(reasoning, beside)
    text = completion - (0 if beside else reasoning)
    return _buckets(prompt - read - write, read, write, text, reasoning)


def _anthropic(usage: Json) -> Buckets:
    """Messages: `input_tokens` excludes the cache, `output_tokens` includes the thinking.

    These counts leave out compaction and advisor iterations, which are billed apart
    (platform.claude.com, "Compaction", 2026-01).
    """
    thinking = _count(usage.get("output_tokens_details") or {}, "thinking_tokens")
    return _buckets(
        _count(usage, "input_tokens"),
        _count(usage, "cache_read_input_tokens"),
        _count(usage, "cache_creation_input_tokens"),
        _count(usage, "output_tokens") - thinking,
        thinking,
    )


def _bedrock(usage: Json) -> Buckets:
    """Converse: `inputTokens` excludes the cache."""
    return _buckets(
        _count(usage, "inputTokens"),
        _count(usage, "cacheReadInputTokens"),
        _count(usage, "cacheWriteInputTokens"),
        _count(usage, "outputTokens"),
        0,
    )


def _gemini(usage: Json) -> Buckets:
    """GenerateContent: the prompt includes the cache; candidates exclude the thoughts.

    What Google's own tools read counts beside the prompt.
    """
    read = _count(usage, "cachedContentTokenCount")
    text, thoughts = _count(usage, "candidatesTokenCount"), _count(usage, "thoughtsTokenCount")
    tools = _count(usage, "toolUsePromptTokenCount")
    return _buckets(_count(usage, "promptTokenCount") + tools - read, read, 0, text, thoughts)


def _cohere(usage: Json) -> Buckets:
    """Chat v2: `tokens.input_tokens` includes the cache, `tokens.output_tokens` the reasoning."""
    tokens = usage.get("tokens") or {}
    read = _count(usage, "cached_tokens")
    reasoning = _count(tokens, "reasoning_tokens")
    fresh, text = _count(tokens, "input_tokens") - read, _count(tokens, "output_tokens") - reasoning
    return _buckets(fresh, read, 0, text, reasoning)


def _ollama(usage: Json) -> Buckets:
    """Chat: two counts; thinking is part of the second. A count that is not there is unknown."""
    return _buckets(usage.get("prompt_eval_count"), 0, 0, usage.get("eval_count"), 0)


_RULES: Final = {
    "bedrock-converse": _bedrock,
    "cohere-chat": _cohere,
    "google-generate": _gemini,
    "ollama": _ollama,
}


def _buckets(*counts: int | None) -> Buckets:
    return dict(zip(BUCKETS, counts, strict=True))


# --- cost ----------------------------------------------------------------------------------------


def cost(body: bytes, headers: Mapping[str, str]) -> Decimal | None:
    """Return the cost in USD that the provider reports, or None."""
    if "x-litellm-response-cost" in headers:
        return Decimal(headers["x-litellm-response-cost"])
    snapshots = [usage for document in documents(body) for usage in _usages(document)]
    for usage in reversed(snapshots):
        amount = usage.get("cost")
        if isinstance(amount, dict):
            amount = amount.get("total_cost")
        if amount is not None and usage.get("is_byok"):  # OpenRouter: its fee, beside the price
            return Decimal(amount) + Decimal(usage["cost_details"]["upstream_inference_cost"])
        if amount is not None:
            return Decimal(amount)
        if usage.get("cost_in_usd_ticks"):  # 0 where a reseller bills in its own way (Azure)
            return Decimal(usage["cost_in_usd_ticks"]) / _USD_TICKS
    return None


# --- finish reason -------------------------------------------------------------------------------

_UNIFIED: Final = {
    "STOP": "stop",
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "END_TURN": "stop",
    "COMPLETED": "stop",
    "LENGTH": "length",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "toolCalls",
    "TOOL_CALLS": "toolCalls",
    "TOOL_USE": "toolCalls",
    "FUNCTION_CALL": "toolCalls",
    "CONTENT_FILTER": "contentFilter",
    "GUARDRAIL_INTERVENED": "contentFilter",
    "REFUSAL": "contentFilter",
    "SAFETY": "contentFilter",
}


def unified(expect: Json, body: bytes) -> str:
    """Return the unified finish reason of an answer, from the independent reading of it.

    A word for a normal end, or none, together with calls that the client must run, is `toolCalls`:
    a client runs tools only on that word.
    """
    word = str(expect.get("block_reason") or expect.get("finish") or "").upper()
    reason = _UNIFIED.get(word, "other")
    calls = len(expect.get("tool_calls") or ()) - _calls_of_the_provider(body)
    return "toolCalls" if calls > 0 and reason in {"stop", "other"} else reason


def _calls_of_the_provider(body: bytes) -> int:
    """Return how many of the calls the provider ran itself (xAI counts them)."""
    usages = [usage for document in documents(body) for usage in _usages(document)]
    return _count(usages[-1], "num_server_side_tools_used") if usages else 0
