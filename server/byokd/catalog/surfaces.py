"""Chooses the dialect of a call where a provider has several.

In this order: the dialect that the client names, that of the key's address, the first surface of
the record that applies, the record's usual one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from byokd.catalog.quirks import quirks_type
from byokd.catalog.record import Provider, RawQuirks, Surface, Variant
from byokd.protocol.errors import InvalidParams


def dialects(record: Provider) -> tuple[str, ...]:
    """Return the dialects of a record, the usual one first."""
    return tuple(dict.fromkeys((record.dialect, *(s.dialect for s in record.surfaces))))


def choose_surface(
    record: Provider,
    model: str,
    base_url: str,
    named: str | None = None,
    fields: Mapping[str, str] = MappingProxyType({}),
) -> Provider:
    """Return the record with the dialect, path and quirks for a call.

    `named` is the dialect that the client or the base URL names, if any.

    Raises:
        InvalidParams: the record has no surface of the named dialect.
    """
    matching = [surface for surface in record.surfaces if named in {None, surface.dialect}]
    for surface in matching:
        if _applies(surface, model, base_url, fields):
            return with_surface(record, surface)
    if named in {None, record.dialect}:
        return record
    if matching:
        return with_surface(record, matching[0])
    names = ", ".join(dialects(record))
    raise InvalidParams(
        f"{record.name} has no {named} dialect; use one of {names}",
        details=[{"pointer": "/dialect", "reason": f"must be one of {names}"}],
    )


def serves(record: Provider, dialect: str, base_url: str, fields: Mapping[str, str]) -> bool:
    """Tell whether a surface of a dialect is one that the record uses by itself at this address."""
    return any(
        surface.dialect == dialect
        and surface.models is not None
        and _applies(surface.model_copy(update={"models": ""}), "", base_url, fields)
        for surface in record.surfaces
    )


def split_chat_path(record: Provider, base_url: str) -> tuple[str, str | None]:
    """Cut a chat path off a base URL; return the rest and that path's dialect, if any.

    People paste the URL from their gateway's documentation: `https://host/v1/responses`.
    """
    paths = [(record.chat_path, record.dialect)]
    paths += [(surface.chat_path, surface.dialect) for surface in record.surfaces]
    for path, dialect in paths:
        ending = path.removeprefix("..")  # a path beside the version is at the end of the URL
        if base_url.endswith(ending):
            return base_url.removesuffix(ending), dialect
    return base_url, None


def fallback_surface(record: Provider) -> Provider | None:
    """Return the record with the surface to use where its usual path does not exist.

    None where there is no such surface, or a surface is already in use.
    """
    if any(surface.dialect == record.dialect for surface in record.surfaces):
        return None
    surface = next((row for row in record.surfaces if row.fallback), None)
    return None if surface is None else with_surface(record, surface)


def _applies(surface: Surface, model: str, base_url: str, fields: Mapping[str, str]) -> bool:
    conditions = [(surface.models, model), (surface.base_url, base_url)]
    conditions += [(pattern, fields.get(name, "")) for name, pattern in surface.fields.items()]
    holds = [re.search(pattern, text) for pattern, text in conditions if pattern is not None]
    return bool(holds) and None not in holds


def with_surface(record: Provider, surface: Surface) -> Provider:
    """Return the record with a surface in place of its usual dialect.

    The record's quirks apply as far as the surface's dialect has them; the surface's own win.
    """
    variants = [Variant(models=v.models, quirks=_read(v.quirks, surface)) for v in record.variants]
    variants.append(Variant(models="", quirks=surface.quirks))
    return record.model_copy(
        update={
            "dialect": surface.dialect,
            "chat_path": surface.chat_path,
            "quirks": _read(record.quirks, surface),
            "variants": tuple(variants),
        }
    )


def _read(quirks: RawQuirks, surface: Surface) -> RawQuirks:
    known = quirks_type(surface.dialect)
    names = known.model_fields if known is not None else {}
    return {name: value for name, value in quirks.items() if name in names}
