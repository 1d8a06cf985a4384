"""Reads the facts in an entry of a model list, in all known spellings; None for those not stated.

A custom base URL may serve any form, so the provider does not matter here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from byokd.catalog.record import LivePrice
from byokd.dialects.base.json_pointer import at_pointer
from byokd.protocol.base import Json, JsonObject

_CONTEXT: Final = (
    # As loaded comes before what the model can do (LM Studio, llama.cpp).
    "/loaded_context_length", "/loaded_instances/0/config/context_length", "/meta/n_ctx",
    "/context_length", "/context_window", "/contextLength", "/inputTokenLimit", "/max_model_len",
    "/max_context_length", "/limits/max_context_length", "/max_prompt_length", "/max_input_tokens",
    "/model_info/max_input_tokens", "/top_provider/context_length", "/details/context_length",
    "/context_size", "/max_sequence_length", "/limit/context", "/n_ctx", "/meta/n_ctx_train",
    "/capabilities/limits/max_context_window_tokens",
)  # fmt: skip
_OUTPUT: Final = (
    "/outputTokenLimit", "/max_output_tokens", "/max_output_length", "/max_completion_tokens",
    "/limits/max_completion_tokens", "/top_provider/max_completion_tokens",
    "/model_info/max_output_tokens", "/limit/output", "/capabilities/limits/max_output_tokens",
)  # fmt: skip
_MODALITIES: Final = (
    "/architecture/input_modalities", "/input_modalities", "/inputModalities", "/modalities/input",
)  # fmt: skip
_OUTPUT_MODALITIES: Final = (
    "/architecture/output_modalities", "/output_modalities", "/outputModalities",
    "/modalities/output",
)  # fmt: skip
_TOOLS: Final = (
    "/capabilities/function_calling", "/capabilities/tools", "/supports_tools", "/supportsTools",
    "/model_info/supports_function_calling", "/tool_call", "/capabilities/trained_for_tool_use",
    "/capabilities/supports/tool_calls",
)  # fmt: skip
_REASONING: Final = (
    "/capabilities/reasoning", "/capabilities/thinking/supported", "/thinking",
    "/model_info/supports_reasoning",
)  # fmt: skip
_FEATURES: Final = (
    "/supported_parameters", "/supported_features", "/features", "/capabilities", "/tags",
)  # fmt: skip
_VISION: Final = (
    "/capabilities/vision",
    "/capabilities/image_input/supported",
    "/supportsImageInput",
    "/model_info/supports_vision",
    "/supports_vision",
    "/capabilities/supports/vision",
)
_FILES: Final = ("/capabilities/pdf_input/supported", "/model_info/supports_pdf_input")
_AUDIO: Final = ("/model_info/supports_audio_input", "/capabilities/audio")  # fmt: skip
_WINDOWS: Final = frozenset({"max_input_tokens", "context_window", "context_length"})
_TOKENS: Final = range(1, 10**9)
_DIGITS: Final = re.compile(r"[0-9]{1,9}")
_SPECIAL_TYPES: Final = frozenset(
    {"embedding", "embeddings", "image", "audio", "video", "moderation", "rerank", "transcribe",
     "speech", "tts", "asr"}
)  # fmt: skip
_MONEY: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,18})?(?:[eE]-?[0-9]{1,2})?")
_MILLION: Final = Decimal(1_000_000)
_LEAST_PER_MILLION: Final = Decimal("0.001")
_CACHE_READ: Final = ("input_cache_read", "cache_read", "cached_input")
_CACHE_WRITE: Final = ("input_cache_write", "cache_write")
_HUNDREDTH_CENT: Final = Decimal(1) / Decimal(10_000)


@dataclass(frozen=True, slots=True)
class ListedPrice:
    """Money per million tokens as decimal text; None where it is not stated."""

    input: str | None
    output: str | None
    currency: str = "USD"
    cache_read: str | None = None
    cache_write: str | None = None


def context_tokens(item: JsonObject, places: tuple[str, ...] = ()) -> int | None:
    names = ("context_window", "max_total_tokens")
    return _tokens(item, (*places, *_CONTEXT), names) or _context_by_architecture(item)


def _context_by_architecture(item: JsonObject) -> int | None:
    """Read a field that llama.cpp names after the model's architecture."""
    info = item.get("model_info")
    if not isinstance(info, dict):
        return None
    return _count(info.get(f"{info.get('general.architecture')}.context_length"))


def output_tokens(item: JsonObject, places: tuple[str, ...] = ()) -> int | None:
    """Return the maximum of one answer.

    `max_tokens` is that only beside a window (Anthropic, Vercel's gateway); alone it is the window.
    """
    known = ("/max_tokens",) if item.keys() & _WINDOWS else ()
    return _tokens(item, (*places, *_OUTPUT, *known), ("max_output_tokens",))


def _tokens(item: JsonObject, places: Iterable[str], names: tuple[str, ...]) -> int | None:
    for place in places:
        if (number := _count(at_pointer(item, place))) is not None:
            return number
    for name in names:
        if (number := _count(listed_property(item, name))) is not None:
            return number
    by_host = [_count(entry.get("context_length")) for entry in _hosts(item)]
    return max((n for n in by_host if n), default=None) if "context_window" in names else None


def _count(value: Json) -> int | None:
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if value in _TOKENS else None


def input_modalities(item: JsonObject, place: str | None = None) -> tuple[str, ...] | None:
    """Return the modalities in lower case, `text` first."""
    places = ((place,) if place else ()) + _MODALITIES
    for value in (at_pointer(item, pointer) for pointer in places):
        if isinstance(value, list) and (modalities := words(value)):
            return tuple(sorted(modalities, key=lambda word: (word != "text", word)))
    has_vision = _has_vision(item)
    if has_vision is None:
        return None
    others = {"image": has_vision, "file": _flag(item, _FILES), "audio": _flag(item, _AUDIO)}
    return ("text", *(name for name, taken in others.items() if taken))


def _has_vision(item: JsonObject) -> bool | None:
    stated = _flag(item, _VISION)
    if stated is not None:
        return stated
    if (value := listed_property(item, "vision")) is not None:
        return value is True or str(value).lower() == "true"
    features = _features(item) or set()
    # llama.cpp says `multimodal`, LM Studio has a type of its own (docs, 2026-11)
    return True if features & {"vision", "multimodal"} or item.get("type") == "vlm" else None


def tools(item: JsonObject, place: str | None = None) -> bool | None:
    if (recorded := _at_record_pointer(item, place, "tool")) is not None:
        return recorded
    stated = _flag(item, _TOOLS)
    if stated is not None:
        return stated
    if (value := listed_property(item, "function_calling")) is not None:
        return value is True or str(value).lower() == "true"
    by_host = [entry.get("supports_tools") for entry in _hosts(item)]
    if by_host:
        return True in by_host
    return _has_feature(item, {"tools", "function_calling", "tool_use", "tool-use"})


def reasoning(item: JsonObject, place: str | None = None) -> bool | None:
    if (recorded := _at_record_pointer(item, place, "reasoning")) is not None:
        return recorded
    stated = _flag(item, _REASONING)
    if stated is not None:
        return stated
    if isinstance(item.get("reasoning"), dict):
        return True
    if (value := listed_property(item, "reasoning")) is not None:
        return value is True or str(value).lower() == "true"
    return _has_feature(item, {"reasoning", "thinking", "include_reasoning"})


def chat(item: JsonObject) -> bool | None:
    stated = _flag(item, ("/capabilities/completion_chat", "/capabilities/chat_completion"))
    if stated is not None:
        return stated
    if endpoints := words(item.get("endpoints")):
        return "chat" in endpoints
    if methods := words(item.get("supportedGenerationMethods")):
        return "generatecontent" in methods
    outputs = (words(at_pointer(item, place)) for place in _OUTPUT_MODALITIES)
    if modalities := next(filter(None, outputs), None):
        return "text" in modalities
    kinds = words(item.get("type"))
    task = words(at_pointer(item, "/task/name"))
    if kinds & {"chat", "language", "llm", "vlm"} or "text generation" in task:
        return True
    return False if kinds & _SPECIAL_TYPES or task else None


def price(item: JsonObject, place: LivePrice | None = None) -> ListedPrice | None:
    """Return the price per million tokens, from the record's place if it names one.

    `pricing.prompt` is dollars a token (OpenRouter, Cerebras, Cloudflare; as text), `pricing.input`
    dollars a million (Together, HF, and models.dev as `cost`) or a token (Vercel's gateway),
    `*_text_token_price` hundredths of a cent a million (xAI),
    `model_info.*_cost_per_token` dollars a token (LiteLLM). Checked 2026-11-28.
    """
    if place is not None:
        stated = _recorded_price(item, place)
        if stated is not None:
            return stated
    pricing = _object(item.get("pricing"))
    costs = _object(item.get("model_info"))
    readings = (
        _price(pricing.get("prompt"), pricing.get("completion"), _MILLION),
        _price_of_either(pricing),
        _price_of_either(_object(item.get("cost"))),
        _price(
            item.get("prompt_text_token_price"),
            item.get("completion_text_token_price"),
            _HUNDREDTH_CENT,
        ),
        _price(costs.get("input_cost_per_token"), costs.get("output_cost_per_token"), _MILLION),
        _unit_price(listed_property(item, "price")),
        _hosts_price(item),
    )
    return next(filter(None, readings), None)


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _recorded_price(item: JsonObject, place: LivePrice) -> ListedPrice | None:
    times = Decimal(place.per_million)
    pointers = place.input, place.output, place.cache_read, place.cache_write
    prompt, completion, cache_read, cache_write = (
        _money(at_pointer(item, pointer), times) if pointer is not None else None
        for pointer in pointers
    )
    if prompt is None and completion is None:
        return None
    return ListedPrice(prompt, completion, place.currency, cache_read, cache_write)


def _price(
    prompt: Json, completion: Json, times: Decimal, currency: str = "USD"
) -> ListedPrice | None:
    prices = _money(prompt, times), _money(completion, times)
    return ListedPrice(*prices, currency) if any(prices) else None


def _price_of_either(listed: JsonObject) -> ListedPrice | None:
    """Read a price of a million tokens, or of one: no model costs under 0.001 dollars a million."""
    names = ("input", "output")
    amounts = [Decimal(text) for name in names if (text := _money(listed.get(name), Decimal(1)))]
    largest = max(amounts, default=Decimal(0))
    times = _MILLION if 0 < largest < _LEAST_PER_MILLION else Decimal(1)
    by_token = _price(listed.get("input"), listed.get("output"), times)
    if by_token is None:
        return None
    read, write = (
        next((text for name in spellings if (text := _money(listed.get(name), times))), None)
        for spellings in (_CACHE_READ, _CACHE_WRITE)
    )
    return replace(by_token, cache_read=read, cache_write=write)


def _money(value: Json, times: Decimal) -> str | None:
    """Return decimal text; None for a negative price: "it varies" (OpenRouter's routers)."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = str(value)
    if not _MONEY.fullmatch(text):
        return None
    amount = f"{Decimal(text) * times:.12f}"
    return amount.rstrip("0").rstrip(".")


def _unit_price(listed: Json) -> ListedPrice | None:
    """Read Cloudflare's list of `{unit: "per M input tokens", price, currency}`."""
    by_unit: dict[str, JsonObject] = {
        str(entry.get("unit")).lower(): entry
        for entry in (listed if isinstance(listed, list) else [])
        if isinstance(entry, dict)
    }
    prompt = by_unit.get("per m input tokens", {})
    completion = by_unit.get("per m output tokens", {})
    currency = prompt.get("currency") or completion.get("currency")
    known = currency if isinstance(currency, str) and len(currency) == 3 else "USD"  # noqa: PLR2004  # ISO 4217
    return _price(prompt.get("price"), completion.get("price"), Decimal(1), known)


def _hosts_price(item: JsonObject) -> ListedPrice | None:
    """Return the price of a router's model if all its hosts have the same."""
    prices = {price(entry) for entry in _hosts(item) if "pricing" in entry}
    return prices.pop() if len(prices) == 1 else None


def _hosts(item: JsonObject) -> list[JsonObject]:
    """Return the hosts of a router's model (HF router)."""
    hosts = item.get("providers")
    return [host for host in hosts if isinstance(host, dict)] if isinstance(hosts, list) else []


def listed_property(item: JsonObject, name: str) -> Json:
    """Return a value from a list of `{property_id, value}` (Cloudflare)."""
    listed = item.get("properties")
    for entry in listed if isinstance(listed, list) else []:
        if isinstance(entry, dict) and entry.get("property_id") == name:
            return entry.get("value")
    return None


def _flag(item: JsonObject, places: Iterable[str]) -> bool | None:
    values = (at_pointer(item, place) for place in places)
    return next((value for value in values if isinstance(value, bool)), None)


def _at_record_pointer(item: JsonObject, place: str | None, word: str) -> bool | None:
    """Read the record's pointer: a flag, or features in which `word` is searched."""
    value = at_pointer(item, place) if place is not None else None
    if isinstance(value, bool):
        return value
    if value is None or not isinstance(value, str | list):
        return None
    return any(word in feature for feature in words(value))


def _has_feature(item: JsonObject, wanted: set[str]) -> bool | None:
    features = _features(item)
    return None if features is None else bool(features & wanted)


def _features(item: JsonObject) -> set[str] | None:
    values = [at_pointer(item, place) for place in _FEATURES]
    features = [words(value) for value in values if isinstance(value, list)]
    return set().union(*features) if features else None


def words(value: Json) -> set[str]:
    listed = value if isinstance(value, list) else [value]
    return {str(word).lower() for word in listed if isinstance(word, str | bool)}
