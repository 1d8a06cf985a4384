"""Which fields of a shipped record a refreshed file, or a person's override, may change.

Every field of every type of a record has a row here; a field without one is fixed.
`tests/catalog/test_allowed.py` walks the types and fails for a field that has no row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal, TypeAlias, cast

from pydantic import BaseModel

from byokd.catalog import record
from byokd.catalog.record import Provider
from byokd.catalog.variant import Variant

Rule: TypeAlias = Literal["free", "fixed", "inside"]
"""`free`: may change. `fixed`: may not. `inside`: each of its own fields has a row."""

ALLOWED: Final[Mapping[type[BaseModel], Mapping[str, Rule]]] = {
    record.Provider: {
        # who the provider is, where its keys go, and how they are put on a request
        "id": "fixed",
        "name": "fixed",
        "kind": "fixed",
        "base_url": "fixed",
        "base_url_required": "fixed",
        "base_url_hint": "fixed",  # a person copies an address from it
        "base_url_env": "fixed",
        "hosts": "fixed",
        "pasted": "fixed",
        "keyless": "fixed",
        "fields": "fixed",
        "one_of": "fixed",
        "auth": "fixed",
        "headers": "fixed",
        "companion_origins": "fixed",
        "key_url": "fixed",  # a person signs in there
        "key_prefixes": "fixed",  # they propose where a pasted key goes
        "docs_url": "fixed",
        "overrides": "fixed",
        # what is sent to that origin, what an answer means, and texts
        "stage": "free",
        "dialect": "free",
        "chat_path": "free",
        "surfaces": "inside",
        "token_counts": "inside",
        "tool_calling": "free",
        "pricing": "free",
        "tags": "free",
        "notes": "free",
        "probe": "inside",
        "models": "inside",
        "quirks": "free",
        "variants": "inside",
        "errors": "inside",
        "refusals": "inside",
        "sources": "inside",
    },
    record.Surface: {
        "dialect": "free",
        "chat_path": "free",
        "source": "free",
        "auth": "fixed",
        "headers": "fixed",
        "probe": "inside",
        "listing": "inside",
        "like": "inside",
        "models": "free",
        "base_url": "free",  # a pattern that a key's own base URL is compared with
        "fields": "free",
        "fallback": "free",
        "quirks": "free",
    },
    record.Probe: {
        "method": "free",
        "path": "free",
        "url": "fixed",
        "body": "free",
        "models_pointer": "free",
        "details": "free",
        "verdicts": "inside",
        "fallback": "inside",
    },
    record.Models: {
        "path": "free",
        "url": "fixed",
        "items": "free",
        "id": "free",
        "id_prefix": "free",
        "name": "free",
        "context": "free",
        "output": "free",
        "modalities": "free",
        "tools": "free",
        "reasoning": "free",
        "deprecated": "free",
        "efforts": "free",
        "ends": "free",
        "price": "inside",
        "kind": "free",
        "chat_kinds": "free",
        "non_chat_pattern": "free",
        "next_pointer": "free",
        "next_query": "free",
        "more_pointer": "free",
        "also": "inside",
        "over": "free",
        "if_bare": "free",
        "fallback": "inside",
        "detail": "inside",
        "static": "free",
        "own": "fixed",  # the person's
        "endings": "inside",
    },
    record.Ending: {"models": "free", "day": "free", "source": "free", "checked": "free"},
    record.Like: {"provider": "free", "prefix": "free"},
    record.TokenCount: {
        "dialect": "free",
        "chat_ending": "free",
        "ending": "free",
        "fields": "free",
        "add": "free",
        "inside": "free",
        "tokens": "free",
    },
    record.LivePrice: {
        "input": "free",
        "output": "free",
        "cache_read": "free",
        "cache_write": "free",
        "per_million": "free",
        "currency": "free",
    },
    record.ModelDetail: {"path": "free", "body": "free"},
    Variant: {
        "models": "free",
        "family": "free",
        "since": "free",
        "before": "free",
        "dialects": "free",
        "quirks": "free",
        "prefix": "free",
    },
    record.ErrorRow: {
        "when": "inside",
        "kind": "free",
        "health": "free",
        "retryable": "free",
        "hint": "free",
        "signed": "free",
        "source": "free",
    },
    record.Condition: {
        "status": "free",
        "code": "free",
        "type": "free",
        "message": "free",
        "pointer": "free",
        "equals": "free",
        "has": "free",
    },
    record.RefusalRow: {
        "message": "free",
        "names": "free",
        "then": "free",
        "of": "free",
        "beside": "free",
        "once": "free",
        "value": "free",
        "rule": "free",
        "surface": "free",
        "quirks": "free",
        "source": "free",
        "checked": "free",
    },
    record.VerdictRow: {"when": "inside", "verdict": "free", "source": "free"},
    record.Source: {"url": "free", "checked": "free", "what": "free"},
}
"""A rule for each field, by type.

A path is joined to the key's base URL. Whatever it does to that, a key is only sent to the origin
that it was stored for, which is compared when it is sent (`services.keys.sending`).
"""


def fixed_changes(before: Provider, after: Provider) -> tuple[str, ...]:
    """Return the places of fields that differ and may not, such as `probe.url`."""
    return tuple(dict.fromkeys(_differences(before, after, "")))


def _differences(before: BaseModel, after: BaseModel, place: str) -> Iterator[str]:
    rules = ALLOWED.get(type(after), {})
    for name in type(after).model_fields:
        old, new = getattr(before, name), getattr(after, name)
        rule = rules.get(name, "fixed")
        if rule == "fixed" and old != new:
            yield f"{place}{name}"
        elif rule == "inside":
            yield from _inside(old, new, f"{place}{name}")


def _inside(old: object, new: object, place: str) -> Iterator[str]:
    if isinstance(new, BaseModel):
        yield from _against((old if isinstance(old, BaseModel) else None,), new, place)
    for each in new if isinstance(new, tuple) else ():
        # Entries may be moved, so each is compared with all; a new one has no fixed field set.
        yield from _against((*cast("tuple[BaseModel, ...]", old), None), each, place)


def _against(candidates: tuple[BaseModel | None, ...], new: BaseModel, place: str) -> Iterator[str]:
    """Yield the differences to the candidate with the fewest; None stands for a new entry."""
    results = [
        list(_differences(old or _without_fixed(new), new, f"{place}.")) for old in candidates
    ]
    yield from min(results, key=len)


def _without_fixed(new: BaseModel) -> BaseModel:
    """Return a copy with the default in each fixed field, and nothing in those with rows inside."""
    rules = ALLOWED.get(type(new), {})
    blank: dict[str, object] = {}
    for name, field in type(new).model_fields.items():
        match rules.get(name, "fixed"):
            case "fixed":
                blank[name] = field.default
            case "inside":
                blank[name] = () if isinstance(getattr(new, name), tuple) else None
    return new.model_copy(update=blank)
