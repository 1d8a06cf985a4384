"""The catalog's snapshot of models: sizes, capabilities and dated prices.

A model id is matched exactly, else by the `match` rule of a line (dated ids, aliases).
`models.json` is generated (`tests/tools/make_models.py`), 300 kB, and read on first use. An unknown
fact is None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import TypeAlias, TypedDict, cast

from byokd.catalog.layers import CatalogData, in_use

Tiers: TypeAlias = tuple[tuple[int, Decimal], ...]
"""Prices by the length of the prompt: (above so many tokens, price), ascending."""

Rule: TypeAlias = "list[str | list[Rule]]"
"""`["is" | "starts" | "ends" | "has" | "like", text]`, or `["any" | "all", rules]`."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Prices that hold at the same time, per million tokens unless the field says otherwise."""

    since: str | None = None  # first day, `YYYY-MM-DD`; None: always
    utc: tuple[str, str] | None = None  # daily hours, (`HH:MM`, `HH:MM`); None: all day
    input: Tiers | None = None
    output: Tiers | None = None
    cache_read: Tiers | None = None
    cache_write: Tiers | None = None
    search: Tiers | None = None  # per thousand searches
    request: Tiers | None = None  # per thousand requests, on top of the tokens


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """One model. Of the `rates` that hold at a time, the last one counts."""

    provider: str
    id: str
    name: str | None
    context_tokens: int | None
    output_tokens: int | None
    input_modalities: tuple[str, ...] | None
    tools: bool | None
    reasoning: bool | None
    deprecated: bool | None
    rates: tuple[Rates, ...]
    currency: str
    as_of: str
    basis: str | None = None  # names the data in a cost by these rates


class ModelLine(TypedDict, total=False):
    id: str
    name: str
    match: Rule
    listed: bool
    context: int
    output: int
    inputs: list[str]
    tools: bool
    reasoning: bool
    deprecated: bool
    rates: list[dict[str, str | list[tuple[int, str]] | list[str]]]


class Snapshot(TypedDict):
    source: str
    as_of: str
    currency: str
    fallbacks: dict[str, list[str]]
    prefixes: dict[str, str]
    providers: dict[str, list[ModelLine]]


def facts(provider_id: str, model_id: str, data: CatalogData | None = None) -> ModelFacts | None:
    """Return the facts of a model, or None; a reseller's own line wins over the maker's.

    `data` is the data in use unless it is named.
    """
    data = data or in_use()
    snapshot = _snapshot(data)
    wanted = model_id.lower().removeprefix(snapshot["prefixes"].get(provider_id, ""))
    for name in (provider_id, *snapshot["fallbacks"].get(provider_id, ())):
        lines = _lines(data, name)
        line = lines.get(wanted) or next(
            (each for each in lines.values() if "match" in each and _fits(each["match"], wanted)),
            None,
        )
        if line is not None:
            return _facts(data, provider_id, line)
    return None


def known_models(provider_id: str, data: CatalogData | None = None) -> Mapping[str, ModelFacts]:
    """Return a provider's models by id, without lines that match a family of ids."""
    data = data or in_use()
    lines = _lines(data, provider_id).values()
    made = (_facts(data, provider_id, line) for line in lines if line.get("listed", True))
    return MappingProxyType({each.id: each for each in made})


def model_count(data: CatalogData) -> int:
    return sum(map(len, _snapshot(data)["providers"].values()))


@lru_cache(maxsize=4)
def _snapshot(data: CatalogData) -> Snapshot:
    return cast("Snapshot", data.raw("models"))


@lru_cache(maxsize=256)
def _lines(data: CatalogData, provider_id: str) -> Mapping[str, ModelLine]:
    lines = _snapshot(data)["providers"].get(provider_id, [])
    return {line["id"].lower(): line for line in lines}


def _fits(rule: Rule, model: str) -> bool:
    word, operand = rule
    if not isinstance(operand, str):
        fits = (_fits(each, model) for each in operand if not isinstance(each, str))
        return any(fits) if word == "any" else all(fits)
    match word:
        case "is":
            return model == operand
        case "starts":
            return model.startswith(operand)
        case "ends":
            return model.endswith(operand)
        case "has":
            return operand in model
    return re.search(operand, model) is not None


def _facts(data: CatalogData, provider_id: str, line: ModelLine) -> ModelFacts:
    inputs = line.get("inputs")
    return ModelFacts(
        provider=provider_id,
        id=line["id"],
        name=line.get("name"),
        context_tokens=line.get("context"),
        output_tokens=line.get("output"),
        input_modalities=tuple(inputs) if inputs is not None else None,
        tools=line.get("tools"),
        reasoning=line.get("reasoning"),
        deprecated=line.get("deprecated"),
        rates=tuple(_rates(entry) for entry in line.get("rates", ())),
        currency=_snapshot(data)["currency"],
        as_of=_snapshot(data)["as_of"],
        basis=data.basis,
    )


def _rates(entry: Mapping[str, str | list[tuple[int, str]] | list[str]]) -> Rates:
    utc, since = entry.get("utc"), entry.get("since")
    return Rates(
        since=str(since) if since is not None else None,
        utc=(str(utc[0]), str(utc[1])) if utc is not None else None,
        input=_tiers(entry, "input"),
        output=_tiers(entry, "output"),
        cache_read=_tiers(entry, "cache_read"),
        cache_write=_tiers(entry, "cache_write"),
        search=_tiers(entry, "search"),
        request=_tiers(entry, "request"),
    )


def _tiers(entry: Mapping[str, str | list[tuple[int, str]] | list[str]], name: str) -> Tiers | None:
    value = entry.get(name)
    if value is None:
        return None
    if isinstance(value, str):
        return ((0, Decimal(value)),)
    return tuple((int(step[0]), Decimal(step[1])) for step in value)
