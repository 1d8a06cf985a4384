"""Make `server/byokd/catalog/models.json` from the prices that `genai-prices` publishes.

    uv run --with genai-prices==0.2.3 python tests/tools/make_models.py 2026-11-23

The date is that of the prices. The abilities of models come from `model_facts.toml` beside this
file. A development tool: the daemon never imports `genai-prices`, which takes a second to import.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TARGET = HERE.parent.parent / "server" / "byokd" / "catalog" / "models.json"

# Our provider id and theirs. Other providers have no public price per token, or none in the source.
SOURCES = {
    "anthropic": "anthropic", "openai": "openai", "google": "google", "glm": "zhipuai",
    "openrouter": "openrouter", "mistral": "mistral", "deepseek": "deepseek", "grok": "x-ai",
    "together": "together", "fireworks": "fireworks", "groq": "groq", "cerebras": "cerebras",
    "perplexity": "perplexity", "azure-openai": "azure", "bedrock": "aws",
    "cloudflare-workers-ai": "cloudflare", "cohere": "cohere",
}  # fmt: skip
ROUTED = ("hf-router", "huggingface_")
"""The router's price is known only for a pinned provider, `model:provider`."""

# The answer of a deployment names its base model, which costs the same as at its maker.
FALLBACKS = {"azure-openai": ["openai"]}

PREFIXES = {"google": "models/"}
"""Prefixes of ids in model lists that the prices do not have."""

ONLY = {"google": ("gemini", "gemma")}
"""Prefixes of the models to take; the source also has another service of that vendor."""

NOT_CHAT = re.compile(
    r"embed|whisper|tts|dall-e|moderation|davinci|babbage|^ada$|^curie$|realtime|transcribe|image|"
    r"sora|audio|-instruct-0914|flare|sunburst|voxtral|sonic|orpheus|guard|ocr|imagen|veo|-live",
)
NOT_CALLABLE = re.compile(r"^(regional\.|ft:|~)|\.ft-")
"""Patterns of entries that price a family of ids and are no id themselves."""

RETIRED = {
    "anthropic": r"claude-(2|v1|3)",  # retired before 2026-11 (LiteLLM, deprecation_date)
    "openai": r"^(gpt-3\.5|gpt-4($|-)|gpt-4\.5|gpt-4o:|chatgpt-4o|o1|o4-mini)",  # 2026-10-23
    "deepseek": r"^deepseek-(chat|reasoner|v3)",  # 2026-07-24
    "grok": r"^grok-(2|3|4-fast|code-fast)",  # 2026-05-15 (docs.x.ai, migration)
    "groq": r"^(?!openai/gpt-oss|qwen/qwen3\.8)",  # what is left in 2026-11 (groq 1.7)
    "google": r"^gemini-(1|2\.0|flash-1|pro$|pro-1)",  # ai.google.dev, deprecations, 2026-11
    "perplexity": r"^(?!perplexity/)",  # Sonar's own names, 2026-09-27
}
"""Models that were switched off: they price old answers, and are not offered."""

RATES = {
    "input": "input_mtok", "output": "output_mtok", "cache_read": "cache_read_mtok",
    "cache_write": "cache_write_mtok", "search": "web_searches_kcount",
    "request": "requests_kcount",
}  # fmt: skip
CLAUSES = {
    "equals": "is", "starts_with": "starts", "ends_with": "ends", "contains": "has",
    "regex": "like", "or_": "any", "and_": "all",
}  # fmt: skip


def main(day: str) -> None:
    """Write the snapshot, one model per line."""
    data = import_module("genai_prices.data")
    theirs = {provider.id: provider for provider in data.providers}
    facts = tomllib.loads((HERE / "model_facts.toml").read_text("utf-8"))["facts"]
    made = {
        ours: list(_models(ours, theirs[source].models, facts)) for ours, source in SOURCES.items()
    }
    ours, prefix = ROUTED
    made[ours] = [
        entry | {"id": f"{entry['id']}:{name.removeprefix(prefix)}", "match": None}
        for name, provider in theirs.items()
        if name.startswith(prefix)
        for entry in _models(ours, provider.models, facts)
    ]
    head = {
        "source": f"genai-prices {metadata.version('genai-prices')}",
        "as_of": day,
        "currency": "USD",
        "fallbacks": FALLBACKS,
        "prefixes": PREFIXES,
    }
    TARGET.write_text(_laid_out(head, made), "utf-8")


def _laid_out(head: dict[str, Any], made: dict[str, list[dict[str, Any]]]) -> str:
    def line(value: object) -> str:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    groups = []
    for provider, entries in sorted(made.items()):
        lines = [
            line({key: value for key, value in entry.items() if value is not None})
            for entry in entries  # in their order: of the rules that fit, the first one counts
        ]
        groups.append(f"{line(provider)}:[\n" + ",\n".join(lines) + "\n]")
    return line(head)[:-1] + ',"providers":{\n' + ",\n".join(groups) + "\n}}\n"


def _models(ours: str, theirs: list[Any], facts: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for model in theirs:
        rates = list(_rates(model.prices))
        # Without a price for output it is an embedding, a voice or a picture: nothing to chat with.
        if NOT_CHAT.search(model.id.lower()) or not any("output" in each for each in rates):
            continue
        if not model.id.startswith(ONLY.get(ours, "")):
            continue
        known = _known(ours, model.id, facts)
        yield {
            "id": model.id,
            "name": model.name if model.name != model.id else None,
            "match": _match(model.match, model.id),
            "listed": None if _callable(model) and not _retired(ours, model.id) else False,
            "context": model.context_window,
            **known,
            "deprecated": model.deprecated,
            "rates": rates,
        }


def _callable(model: Any) -> bool:
    """Tell whether the id may be offered to a person: some lines only price what fits them."""
    return model.is_match(model.id) and not NOT_CALLABLE.search(model.id)


def _retired(ours: str, model: str) -> bool:
    return ours in RETIRED and re.search(RETIRED[ours], model) is not None


def _known(ours: str, model: str, facts: list[dict[str, Any]]) -> dict[str, Any]:
    known: dict[str, Any] = {}
    for row in facts:
        if ours in row.get("providers", [ours]) and re.search(row["models"], model, re.IGNORECASE):
            for key in ("output", "inputs", "tools", "reasoning"):
                if key in row:
                    known.setdefault(key, row[key])
    return known


def _rates(prices: Any) -> Iterator[dict[str, Any]]:
    """Yield prices in the order they came; of those that hold at a time, the last one wins."""
    for each in prices if isinstance(prices, list) else [None]:
        price = each.prices if each else prices
        rate = {
            ours: _amount(value)
            for ours, theirs in RATES.items()
            if (value := price.__dict__.get(theirs)) is not None
        }
        constraint: Any = each.constraint if each else None
        if hasattr(constraint, "start_date"):
            rate["since"] = constraint.start_date.isoformat()
        elif constraint is not None:
            rate["utc"] = [f"{t:%H:%M}" for t in (constraint.start_time, constraint.end_time)]
        yield rate


def _amount(price: Any) -> Any:
    if not hasattr(price, "tiers"):
        return str(price)
    return [[0, str(price.base)], *([tier.start, str(tier.price)] for tier in price.tiers)]


def _match(clause: Any, model: str) -> Any:
    """Return the rule as `[word, text or rules]`, or None where the id itself says it all."""
    rule = _rule(clause)
    same = ["is", model.lower()]
    return None if rule in (same, ["any", [same]]) else rule


def _rule(clause: Any) -> list[Any]:
    field, value = next(iter(vars(clause).items()))
    if isinstance(value, list):
        return [CLAUSES[field], [_rule(each) for each in value]]
    return [CLAUSES[field], value if field == "regex" else value.lower()]


if __name__ == "__main__":
    main(sys.argv[1])
