"""Merges the person's own models, the provider's list and the catalog's facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from byokd.catalog.models import ModelFacts, facts, known_models
from byokd.catalog.pricing import list_price
from byokd.catalog.record import Provider
from byokd.catalog.surfaces import choose_surface
from byokd.core.settings import OwnModel, OwnPrice
from byokd.dialects.registry import DIALECTS
from byokd.model_cache import CachedModelList
from byokd.protocol.actions import PickModelAction
from byokd.protocol.model import FactSource, FactSources, ModelInfo, ModelPrice, ModelUnavailable
from byokd.provider_api.model_lifecycle import ending_of, read_time
from byokd.provider_api.model_lists import ListedModel

_FACTS: Final = {
    "price": "price",
    "context": "context_tokens",
    "output": "output_tokens",
    "inputs": "input_modalities",
    "efforts": "efforts",
    "ends_at": "ends_at",
    "deprecated": "deprecated",
}
"""The fields of `FactSources`, and those of `ModelInfo` that they are about."""


@dataclass(frozen=True, slots=True)
class MergeOptions:
    """`key_id` is None for the default key; `unavailable` is why the key cannot be used."""

    now_ms: int
    key_id: str | None = None
    unavailable: ModelUnavailable | None = None
    include_unlisted: bool = False


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
        efforts=model.efforts,
        ends_at=model.ends_at,
        retired=model.retired,
    )


def merge_models(
    record: Provider,
    live: CachedModelList | None,
    fields: Mapping[str, str],
    options: MergeOptions,
) -> list[ModelInfo]:
    """Return the models that a person can choose, the live ones first.

    The catalog's are offered where there is no list, or on request. Retired ones are offered on
    request only. The record's own ids and the person's entries are always listed. `fields` are the
    plain fields of the key; some name a model.
    """
    items = {model.id: _completed(record, model) for model in (live.models if live else ())}
    if live is None or options.include_unlisted:
        for name, known in known_models(record.id).items():
            items.setdefault(name, _from_facts(record, known))
    for template in record.models.static:
        if name := _filled(template, fields):
            items.setdefault(name, _completed(record, _bare(record, name)))
    if live is not None:
        unlisted = {name for name, item in items.items() if item.source == "catalog"}
        items |= {name: items[name].model_copy(update={"unlisted": True}) for name in unlisted}
    offered = {
        name: _of_key(item, options)
        for name, item in items.items()
        if options.include_unlisted or not _has_ended(item, options.now_ms)
    }
    for own in record.models.own:
        item = offered.get(own.id) or _of_key(
            _completed(record, items.get(own.id) or _bare(record, own.id, "user")), options
        )
        offered[own.id] = _with_own_facts(item, own)
    return list(offered.values())


def _has_ended(item: ModelInfo, at_ms: int) -> bool:
    """Tell whether the provider has switched a model off; its list wins over the record's day."""
    by_record = item.facts.ends_at is not None and item.facts.ends_at.source == "record"
    if item.source == "live" and by_record:
        return item.retired is True
    return item.retired is True or (item.ends_at is not None and item.ends_at <= at_ms)


def _of_key(item: ModelInfo, options: MergeOptions) -> ModelInfo:
    unavailable = options.unavailable
    if unavailable is None and _has_ended(item, options.now_ms):
        action = PickModelAction(provider=item.provider)
        unavailable = ModelUnavailable(kind="modelNotFound", action=action)
    return item.model_copy(update={"key_id": options.key_id, "unavailable": unavailable})


def with_record_efforts(record: Provider, item: ModelInfo) -> ModelInfo:
    """Return the model with the efforts of the record's rules, where nothing else states them.

    Not a part of merging: the rules are compared with each model's name, and a page is short.
    """
    if item.efforts is not None or item.chat is False or record.dialect not in DIALECTS:
        return item
    if item.reasoning is False and item.source == "live":
        return _with_efforts(item, (), FactSource(source="live", as_of=_day(item.seen_at)))
    if record.base_url is None or record.base_url_required:
        return item  # a gateway: its rules say what can be sent, and not what the model takes
    chosen = choose_surface(record, item.id, record.base_url)
    quirks = chosen.quirks_for(item.id)
    efforts = () if getattr(quirks, "effort_field", None) == "none" else quirks.efforts
    if efforts is None:
        return item
    checked = max(each.checked for each in record.sources)
    return _with_efforts(item, efforts, FactSource(source="record", as_of=checked))


def _with_efforts(item: ModelInfo, efforts: tuple[str, ...], source: FactSource) -> ModelInfo:
    facts = item.facts.model_copy(update={"efforts": source})
    return item.model_copy(update={"efforts": efforts, "facts": facts})


def cheapest_chat_model(items: Iterable[ModelInfo]) -> str | None:
    """A model without a price, or a free one (it may train on the prompt), comes last."""
    usable = [
        item
        for item in items
        if item.chat is not False and not item.retired and item.unavailable is None
    ]
    lasting = [item for item in usable if not item.deprecated] or usable
    live = [item for item in lasting if item.source == "live"] or lasting
    return min(live, key=_cost_order).id if live else None


def _cost_order(item: ModelInfo) -> tuple[bool, bool, float]:
    price = item.price
    amounts = [text for text in (price.input, price.output) if text] if price else []
    total = sum(float(text) for text in amounts)
    return item.chat is not True, not total, total


def _completed(record: Provider, model: ModelInfo) -> ModelInfo:
    """Fill the facts that are missing from the record and the catalog, and name their sources."""
    base = model
    sources = _sources(model, FactSource(source="live", as_of=_day(model.seen_at)))
    ending = ending_of(record.models, model.id)
    if ending is not None and base.ends_at is None:
        base = base.model_copy(update={"ends_at": read_time(ending.day)})
        sources["ends_at"] = FactSource(source="record", as_of=ending.checked)
    # A deployment that a person named (Azure) is looked up by its model's name.
    known = facts(record.id, model.id) or (facts(record.id, model.name) if model.name else None)
    if known is not None:
        filling = _from_facts(record, known)
        # A family's day is not that of every model in it.
        missing = [
            name
            for name in ModelInfo.model_fields
            if name != "ends_at" and getattr(base, name) is None
        ]
        base = base.model_copy(update={name: getattr(filling, name) for name in missing})
        from_catalog = _sources(base, FactSource(source="catalog", as_of=known.as_of))
        sources = from_catalog | sources
    if base.ends_at is not None and base.deprecated is None:
        base = base.model_copy(update={"deprecated": True})
        sources["deprecated"] = sources["ends_at"]
    return base.model_copy(update={"facts": FactSources(**sources)})


def _sources(model: ModelInfo, source: FactSource) -> dict[str, FactSource]:
    return {fact: source for fact, name in _FACTS.items() if getattr(model, name) is not None}


def _day(at_ms: int | None) -> str | None:
    return None if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC).date().isoformat()


def _filled(template: str, fields: Mapping[str, str]) -> str:
    # `{field}` stands for a plain field of the key.
    return fields.get(template[1:-1], "") if template.startswith("{") else template


def _with_own_facts(item: ModelInfo, own: OwnModel) -> ModelInfo:
    stated = {name: getattr(own, name) for name in own.model_fields_set - {"id", "price"}}
    if own.price is not None:
        stated |= {"price": _own_price(own.price)}
    by_person = {fact: FactSource(source="user") for fact, name in _FACTS.items() if name in stated}
    sources = item.facts.model_copy(update=by_person)
    return item.model_copy(update=stated | {"facts": sources})


def _own_price(price: OwnPrice) -> ModelPrice:
    return ModelPrice.model_validate(price.model_dump())


def _live_price(model: ListedModel, seen_at: int) -> ModelPrice | None:
    if model.price is None:
        return None
    return ModelPrice(
        currency=model.price.currency,
        input=model.price.input,
        output=model.price.output,
        cache_read=model.price.cache_read,
        cache_write=model.price.cache_write,
        as_of=_day(seen_at),
    )


def _from_facts(record: Provider, known: ModelFacts) -> ModelInfo:
    model = _bare(record, known.id).model_copy(
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
    sources = _sources(model, FactSource(source="catalog", as_of=known.as_of))
    if (ending := ending_of(record.models, known.id)) is not None:
        sources["ends_at"] = FactSource(source="record", as_of=ending.checked)
        model = model.model_copy(update={"ends_at": read_time(ending.day)})
    return model.model_copy(update={"facts": FactSources(**sources)})


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
