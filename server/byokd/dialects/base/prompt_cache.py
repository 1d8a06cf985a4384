"""What a request says to a prompt cache: marks, the name of the conversation, a lifetime."""

from __future__ import annotations

from typing import Final

from byokd.catalog.quirks.shared import CacheLifetime, Quirks
from byokd.dialects.base.warnings import Warnings
from byokd.protocol.base import JsonObject
from byokd.protocol.chat import SendParams

_NO_LIFETIME: Final = "the lifetime of this model's prompt cache cannot be chosen"


def lifetime_of(params: SendParams) -> CacheLifetime | None:
    return params.cache if params.cache in {"5m", "1h"} else None


def lifetime_of_marks(params: SendParams, quirks: Quirks) -> JsonObject:
    """Return the field of a mark that asks for the client's lifetime, or nothing."""
    lifetime = lifetime_of(params)
    return {"ttl": lifetime} if lifetime in quirks.cache_ttls else {}


def cache_fields(params: SendParams, cache_key: str | None, quirks: Quirks) -> JsonObject:
    """Return the fields beside the marks."""
    if params.cache == "off":
        return {}
    lifetime = lifetime_of(params)
    fields: JsonObject = {} if lifetime is None else {**quirks.cache_fields.get(lifetime, {})}
    if quirks.cache_key_field and cache_key is not None:
        fields[quirks.cache_key_field] = cache_key
    return fields


def cache_headers(params: SendParams, cache_key: str | None, quirks: Quirks) -> dict[str, str]:
    name = quirks.cache_key_header
    return {} if name is None or cache_key is None or params.cache == "off" else {name: cache_key}


def warn_of_lifetime(params: SendParams, quirks: Quirks, warnings: Warnings) -> None:
    """Warn if the client asks for an hour, and the provider lets nobody choose.

    Caches without a choice keep a prompt for five minutes at least, as far as they are documented.
    """
    if lifetime_of(params) != "1h" or "1h" in quirks.cache_ttls or "1h" in quirks.cache_fields:
        return
    warnings.dropped("cache", _NO_LIFETIME)
