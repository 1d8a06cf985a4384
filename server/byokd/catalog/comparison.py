"""Compares two sets of catalog data: what changed, and whether it is plausible."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import chain
from typing import Final, TypeAlias, cast

from pydantic_core import to_json

from byokd.catalog.layers import CatalogData
from byokd.catalog.models import ModelFacts, Snapshot, Tiers, facts
from byokd.core.limits import (
    CATALOG_CHANGE_MAX_CHARS,
    CATALOG_PRICE_FACTOR,
    CATALOG_SHRINK_PART,
)
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.catalog import CatalogChange

_RATES: Final = ("input", "output", "cache_read", "cache_write", "search", "request")
_FACTS: Final = (
    "name", "context_tokens", "output_tokens", "input_modalities", "tools", "reasoning",
    "deprecated",
)  # fmt: skip
_ROWS: Final = frozenset({"errors", "refusals"})
_SCALES: Final = ("per_million", "cost_divisor")
"""Fields that multiply every price of a list or an answer."""

_UNSHOWN: Final = frozenset({"sources"})
_SMALL: Final = CATALOG_SHRINK_PART  # a shorter list is only refused if nothing is left of it

_Amounts: TypeAlias = tuple[Decimal, ...]


def changes(before: CatalogData, after: CatalogData) -> Iterator[CatalogChange]:
    """Yield the differences: models and prices, then records, then general rows."""
    yield from _model_changes(before, after)
    old = {record["id"]: record for record in _records(before)}
    for record in _records(after):
        provider = str(record["id"])
        yield from _record_changes(provider, old.get(provider, {}), record)
    for part in ("errors", "refusals"):
        yield from _row_changes(None, part, before.raw(part), after.raw(part))
    shared, newer = (cast("JsonObject", data.raw("families")) for data in (before, after))
    yield from _field_changes(None, "families", shared["families"], newer["families"])
    yield from _row_changes(None, "families", shared["rows"], newer["rows"])


def shrunk_lists(before: CatalogData, after: CatalogData) -> Iterator[tuple[str, int, int]]:
    """Yield (list, entries before, after) of each list that lost a fifth of its entries or more."""
    old, new = _sizes(before), _sizes(after)
    for name, count in old.items():
        left = new.get(name, 0)
        lost = (count - left) * CATALOG_SHRINK_PART >= count
        if count and lost and (count >= _SMALL or not left):
            yield name, count, left


def _sizes(data: CatalogData) -> dict[str, int]:
    models = _snapshot(data)["providers"]
    sizes = {part: len(cast("list[Json]", data.raw(part))) for part in ("errors", "refusals")}
    sizes["providers"] = len(_records(data))
    sizes["families"] = len(cast("list[Json]", cast("JsonObject", data.raw("families"))["rows"]))
    sizes["models"] = sum(map(len, models.values()))
    return sizes | {f"models of {provider}": len(lines) for provider, lines in models.items()}


# --- models and prices ---------------------------------------------------------------------------


def _model_changes(before: CatalogData, after: CatalogData) -> Iterator[CatalogChange]:
    old, new = _ids(before), _ids(after)
    for provider, name in dict.fromkeys(chain(old, new)):
        was, now = facts(provider, name, before), facts(provider, name, after)
        listed = (provider, name) in old, (provider, name) in new
        if not listed[0]:
            yield _change("modelAdded", provider, name, None, _price_text(now))
        elif not listed[1]:
            yield _change("modelRemoved", provider, name, _price_text(was), None)
        if was is not None and now is not None and all(listed):
            yield from _facts_changes(was, now)
        # A removed id is still priced, by the rule of another line.
        moved = was is not None and now is not None and listed[0] and price_moved(was, now)
        if was and now and listed[0] and (moved or (all(listed) and was.rates != now.rates)):
            rates = _differing(was, now)
            texts = _price_text(was, rates), _price_text(now, rates)
            yield _change("priceChanged", provider, name, *texts, accept=moved)


def _facts_changes(was: ModelFacts, now: ModelFacts) -> Iterator[CatalogChange]:
    for field in _FACTS:
        old, new = getattr(was, field), getattr(now, field)
        if old != new:
            yield _change("modelChanged", was.provider, f"{was.id} {field}", _text(old), _text(new))


def price_moved(was: ModelFacts, now: ModelFacts) -> bool:
    """Tell whether a price is ten times another, in either direction, or in another currency."""
    if was.currency != now.currency:
        return True
    pairs = ((_amounts(was, rate), _amounts(now, rate)) for rate in _RATES)
    return any(
        _apart(low(old), low(new)) for old, new in pairs if old and new for low in (min, max)
    )


def _apart(old: Decimal, new: Decimal) -> bool:
    small, large = sorted((old, new))
    return large != small and large >= small * CATALOG_PRICE_FACTOR


def _amounts(model: ModelFacts, rate: str) -> _Amounts:
    tiers: Iterator[Tiers] = (getattr(each, rate) or () for each in model.rates)
    return tuple(amount for tier in tiers for _, amount in tier)


def _differing(was: ModelFacts, now: ModelFacts) -> tuple[str, ...]:
    """Return the rates that differ, or all where only their times or tiers do."""
    differing = tuple(rate for rate in _RATES if _amounts(was, rate) != _amounts(now, rate))
    return differing or _RATES


def _price_text(model: ModelFacts | None, rates: Sequence[str] = _RATES) -> str | None:
    """Return the ranges of the prices, such as `input 2, output 10-15 USD`."""
    if model is None:
        return None
    texts = [
        f"{rate.replace('_', ' ')} {_span(amounts)}"
        for rate in rates
        if (amounts := _amounts(model, rate))
    ]
    return f"{', '.join(texts)} {model.currency}" if texts else "no price"


def _span(amounts: _Amounts) -> str:
    low, high = min(amounts), max(amounts)
    return f"{low}" if low == high else f"{low}-{high}"


def _ids(data: CatalogData) -> dict[tuple[str, str], None]:
    models = _snapshot(data)["providers"]
    return dict.fromkeys(
        (provider, line["id"]) for provider, lines in models.items() for line in lines
    )


def _snapshot(data: CatalogData) -> Snapshot:
    return cast("Snapshot", data.raw("models"))


# --- records and rows ----------------------------------------------------------------------------


def _records(data: CatalogData) -> list[JsonObject]:
    return cast("list[JsonObject]", data.raw("providers"))


def _record_changes(provider: str, before: Json, after: Json) -> Iterator[CatalogChange]:
    old, new = cast("JsonObject", before), cast("JsonObject", after)
    for name in dict.fromkeys(chain(old, new)):
        if name in _ROWS:
            yield from _row_changes(provider, name, old.get(name), new.get(name))
        elif name not in _UNSHOWN:
            yield from _field_changes(provider, name, old.get(name), new.get(name))


def _field_changes(
    provider: str | None, place: str, before: Json, after: Json
) -> Iterator[CatalogChange]:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys(chain(before, after)):
            yield from _field_changes(
                provider, f"{place}.{name}", before.get(name), after.get(name)
            )
        return
    accept = place.endswith(_SCALES) and _apart(_scale(before), _scale(after))
    yield _change("recordChanged", provider, place, _text(before), _text(after), accept=accept)


def _scale(value: Json) -> Decimal:
    return Decimal(value) if isinstance(value, int | str) else Decimal(1)


def _row_changes(
    provider: str | None, part: str, before: Json, after: Json
) -> Iterator[CatalogChange]:
    old, new = _row_texts(before), _row_texts(after)
    yield from (
        _change("rowRemoved", provider, part, old[key], None) for key in old if key not in new
    )
    yield from (
        _change("rowAdded", provider, part, None, new[key]) for key in new if key not in old
    )


def _row_texts(rows: Json) -> Mapping[str, str]:
    listed = cast("Sequence[JsonObject]", rows or ())
    texts = {to_json(row).decode(): row for row in listed}
    shown = {"source", "checked"}
    return {
        key: to_json({name: row[name] for name in row if name not in shown}).decode()
        for key, row in texts.items()
    }


def _change(
    kind: str, provider: str | None, subject: str, before: str | None, after: str | None,
    *, accept: bool = False,
) -> CatalogChange:  # fmt: skip
    return CatalogChange.model_validate(
        {
            "kind": kind,
            "provider": provider,
            "subject": _cut(subject),
            "before": None if before is None else _cut(before),
            "after": None if after is None else _cut(after),
            "needs_accept": accept,
        }
    )


def _text(value: object) -> str | None:
    if value is None:
        return None
    return value if isinstance(value, str) else to_json(value).decode()


def _cut(text: str) -> str:
    limit = CATALOG_CHANGE_MAX_CHARS
    return text if len(text) <= limit else text[: limit - 1] + "\u2026"
