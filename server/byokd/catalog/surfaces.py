"""Chooses the dialect of a call where a provider has several.

In this order: the dialect that the client names, that of the key's address, the first surface of
the record that applies, the record's usual one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pydantic import JsonValue, ValidationError
from pydantic_core import to_json

from byokd.catalog.quirks import quirks_type
from byokd.catalog.record import Provider, Surface
from byokd.catalog.shipped import shipped
from byokd.catalog.variant import RawQuirks, Variant
from byokd.protocol.errors import InvalidParams

_ABOVE: Final = "/../"
"""Begins a path above that of the base URL, which no pasted URL ends in."""


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
        # One for every address comes before one that belongs to another address or model.
        everywhere = (row for row in matching if not (row.models or row.base_url or row.fields))
        return with_surface(record, next(everywhere, matching[0]))
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
    after_host = "/" + base_url.partition("://")[2].partition("/")[2]
    # The longest first: `/openai/v1/responses` before `/responses`.
    for path, dialect in sorted(paths, key=lambda row: -len(row[0])):
        ending = path.removeprefix("..")  # a path beside the version is at the end of the URL
        if not ending.startswith(_ABOVE) and after_host.endswith(ending):
            return base_url.removesuffix(ending), dialect
    return base_url, None


def record_at(
    record: Provider, base_url: str, fields: Mapping[str, str] = MappingProxyType({})
) -> Provider:
    """Return the record for requests to an address that are about no model: probes, lists.

    It is that of the first surface which the address alone selects, or the record itself.
    """
    for surface in record.surfaces:
        by_address = surface.base_url is not None and surface.models is None
        if by_address and _applies(surface, "", base_url, fields):
            return with_surface(record, surface)
    return record


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

    The quirks of the record, or of the one that the surface is like, apply as far as the surface's
    dialect has them; the surface's own win.
    """
    quirks, variants = _inherited(record, surface)
    return record.model_copy(
        update={
            "dialect": surface.dialect,
            "chat_path": surface.chat_path,
            "auth": surface.auth or record.auth,
            "headers": record.headers | surface.headers,
            "probe": surface.probe or record.probe,
            "models": surface.listing or record.models,
            "quirks": quirks,
            "variants": (*variants, Variant(quirks=surface.quirks)),
        }
    )


def _inherited(record: Provider, surface: Surface) -> tuple[RawQuirks, list[Variant]]:
    prefix = ""
    if surface.like is not None:
        prefix, record = surface.like.prefix, shipped()[surface.like.provider]
        for other in record.surfaces if record.dialect != surface.dialect else ():
            if other.dialect == surface.dialect:
                record = with_surface(record, other)
                break
    variants = [
        row.model_copy(
            update={"quirks": _read(row.quirks, surface), "prefix": row.prefix or prefix}
        )
        for row in record.variants
    ]
    return _read(record.quirks, surface), variants


def reads_quirk(record: Provider, name: str, value: JsonValue) -> bool:
    """Tell whether the dialect of a record has this quirk with this value."""
    form = quirks_type(record.dialect)
    if form is None or name not in form.model_fields:
        return False
    try:
        form.model_validate_json(to_json({name: value}))
    except ValidationError:
        return False
    return True


def with_quirk(record: Provider, name: str, value: JsonValue) -> Provider:
    """Return the record with another value of a quirk, for every model."""
    variant = Variant(models="", quirks={name: value})
    return record.model_copy(update={"variants": (*record.variants, variant)})


def _read(quirks: RawQuirks, surface: Surface) -> RawQuirks:
    known = quirks_type(surface.dialect)
    names = known.model_fields if known is not None else {}
    return {name: value for name, value in quirks.items() if name in names}
