"""Merges the user's own models, the provider's list and the catalog's facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Literal

from byokd.catalog.models import ModelFacts, facts, known_models
from byokd.catalog.pricing import list_price
from byokd.catalog.record import Provider
from byokd.core.settings import OwnModel, OwnPrice
from byokd.model_cache import CachedModelList
from byokd.protocol.model import ModelInfo, ModelPrice
from byokd.provider_api.model_lists import ListedModel


def listed_model_info(record: Provider, model: ListedModel, seen_at: int) -> ModelInfo:
    return ModelInfo(
        provider=record.id,
        id=model.id,
        name=model.name,
        source="live",
        seen_at=seen_at,
        chat=model.chat,
        context_tokens=model.context_tokens,
        output_tokens=model.output_tokens,
        input_modalities=model.input_modalities,
        tools=model.tools,
        reasoning=model.reasoning,
        price=_live_price(model, seen_at),
        deprecated=model.deprecated,
    )


def merge_models(
    record: Provider,
    live: CachedModelList | None,
    fields: Mapping[str, str] = MappingProxyType({}),
) -> list[ModelInfo]:
    """Return the live models, completed from the catalog, then those that only other sources name.

    `fields` are the plain fields of the key; some name a model.
    """
    items = {model.id: _completed(record, model) for model in (live.models if live else ())}
    for name, known in known_models(record.id).items():
        items.setdefault(name, _from_facts(record, known))
    for template in record.models.static:
        if name := _filled(template, fields):
            items.setdefault(name, _completed(record, _bare(record, name)))
    for own in record.models.own:
        item = items.get(own.id) or _completed(record, _bare(record, own.id, "user"))
        items[own.id] = item.model_copy(update=_own_facts(own))
    return list(items.values())


def cheapest_chat_model(items: Iterable[ModelInfo]) -> str | None:
    """A model without a price, or a free one (it may train on the prompt), comes last."""
    candidates = [item for item in items if item.chat is not False and not item.deprecated]
    live = [item for item in candidates if item.source == "live"] or candidates
    return min(live, key=_cost_order).id if live else None


def _cost_order(item: ModelInfo) -> tuple[bool, bool, float]:
    price = item.price
    amounts = [text for text in (price.input, price.output) if text] if price else []
    total = sum(float(text) for text in amounts)
    return item.chat is not True, not total, total


def _completed(record: Provider, model: ModelInfo) -> ModelInfo:
    # A deployment that a person named (Azure) is looked up by its model's name.
    known = facts(record.id, model.id) or (facts(record.id, model.name) if model.name else None)
    if known is None:
        return model
    from_facts = _from_facts(record, known)
    missing = [name for name in ModelInfo.model_fields if getattr(model, name) is None]
    return model.model_copy(update={name: getattr(from_facts, name) for name in missing})


def _filled(template: str, fields: Mapping[str, str]) -> str:
    # `{field}` stands for a plain field of the key.
    return fields.get(template[1:-1], "") if template.startswith("{") else template


def _own_facts(own: OwnModel) -> dict[str, Any]:
    stated = {name: getattr(own, name) for name in own.model_fields_set - {"id", "price"}}
    return stated if own.price is None else stated | {"price": _own_price(own.price)}


def _own_price(price: OwnPrice) -> ModelPrice:
    return ModelPrice.model_validate(price.model_dump())


def _live_price(model: ListedModel, seen_at: int) -> ModelPrice | None:
    if model.price is None:
        return None
    day = datetime.fromtimestamp(seen_at / 1000, UTC).date().isoformat()
    return ModelPrice(
        currency=model.price.currency,
        input=model.price.input,
        output=model.price.output,
        cache_read=model.price.cache_read,
        cache_write=model.price.cache_write,
        as_of=day,
    )


def _from_facts(record: Provider, known: ModelFacts) -> ModelInfo:
    return _bare(record, known.id).model_copy(
        update={
            "source": "catalog",
            "name": known.name,
            "context_tokens": known.context_tokens,
            "output_tokens": known.output_tokens,
            "input_modalities": known.input_modalities,
            "tools": known.tools,
            "reasoning": known.reasoning,
            "price": list_price(known, datetime.now(UTC)),
            "deprecated": known.deprecated,
        }
    )


def _bare(record: Provider, name: str, source: Literal["static", "user"] = "static") -> ModelInfo:
    return ModelInfo(
        provider=record.id,
        id=name,
        name=None,
        source=source,
        seen_at=None,
        chat=None,
        context_tokens=None,
        output_tokens=None,
        input_modalities=None,
        tools=None,
        reasoning=None,
        price=None,
        deprecated=None,
    )
