"""Chooses the dialect that a provider is asked in, where it speaks several.

Knows the order: what the client names, what the key's address names, what the record says of the
model and the address, and else the record's usual dialect. Must not know any dialect or provider.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from byokd.catalog.quirks import quirks_type
from byokd.catalog.record import Provider, RawQuirks, Surface, Variant
from byokd.protocol.errors import InvalidParams


def dialects(record: Provider) -> tuple[str, ...]:
    """Return all dialects that a provider can be asked in, the usual one first."""
    return tuple(dict.fromkeys((record.dialect, *(s.dialect for s in record.surfaces))))


def spoken(
    record: Provider,
    model: str,
    base_url: str,
    named: str | None = None,
    fields: Mapping[str, str] = MappingProxyType({}),
) -> Provider:
    """Return the record as it is in the dialect that this call is made in.

    Args:
        record: whom to ask.
        model: the model asked for.
        base_url: where, canonical, templates filled.
        named: the dialect that the client or the address names, if any.
        fields: the key's plain fields.

    Raises:
        InvalidParams: the provider does not speak the dialect that was named.
    """
    fitting = [one for one in record.surfaces if named in {None, one.dialect}]
    for surface in fitting:
        if _applies(surface, model, base_url, fields):
            return through(record, surface)
    if named in {None, record.dialect}:
        return record
    if fitting:
        return through(record, fitting[0])
    spoken_here = ", ".join(dialects(record))
    raise InvalidParams(
        f"{record.name} is not asked in this dialect; it speaks {spoken_here}",
        details=[{"pointer": "/dialect", "reason": f"must be one of {spoken_here}"}],
    )


def named_by(record: Provider, base_url: str) -> tuple[str, str | None]:
    """Return the base URL, and the dialect it names if it is the whole address of a chat.

    People paste what the documentation of their gateway shows: `https://host/v1/responses`.
    """
    paths = [(record.chat_path, record.dialect)]
    paths += [(surface.chat_path, surface.dialect) for surface in record.surfaces]
    for path, dialect in paths:
        ending = path.removeprefix("..")  # beside the version of a base URL, and so at its end
        if base_url.endswith(ending):
            return base_url.removesuffix(ending), dialect
    return base_url, None


def fallback(record: Provider) -> Provider | None:
    """Return the record as it is asked where its usual dialect's path is not there, if it can be.

    There is none for a record that is already asked through one of its surfaces.
    """
    if any(surface.dialect == record.dialect for surface in record.surfaces):
        return None
    other = next((surface for surface in record.surfaces if surface.fallback), None)
    return None if other is None else through(record, other)


def _applies(surface: Surface, model: str, base_url: str, fields: Mapping[str, str]) -> bool:
    rows = [(surface.models, model), (surface.base_url, base_url)]
    rows += [(pattern, fields.get(name, "")) for name, pattern in surface.fields.items()]
    matches = [bool(re.search(pattern, text)) for pattern, text in rows if pattern is not None]
    return bool(matches) and all(matches)


def through(record: Provider, surface: Surface) -> Provider:
    """Return the record with a surface in place of its usual dialect.

    The record's quirks hold there as far as the surface's dialect reads them; the surface's own
    win over all others.
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
    """Return those quirks that the surface's dialect reads."""
    known = quirks_type(surface.dialect)
    names = known.model_fields if known is not None else {}
    return {name: value for name, value in quirks.items() if name in names}
