"""Parses and checks a record as it is written: a shipped one, or one that a person adds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pydantic import ValidationError

from byokd.catalog.loader import load
from byokd.catalog.record import Condition, Models, Probe, Provider
from byokd.catalog.variant import RawQuirks
from byokd.protocol.errors import InvalidParams

QUIRK_PATTERNS: Final = ("_models", "_pattern")
"""How names of quirks end that are regular expressions."""


def load_text(text: str, name: str) -> Provider:
    """Parse and check a record; `name` is its file name, for errors.

    Raises:
        InvalidParams: the text is not TOML, or a field is invalid.
    """
    import tomllib

    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise _unusable(name, "", "not TOML") from None
    return check_record(data, name)


def check_record(data: object, name: str) -> Provider:
    """Return the record of plain values; raise as `load_text`."""
    try:
        record = Provider.model_validate(data)
    except ValidationError as failure:
        first = failure.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(step) for step in first["loc"])
        raise _unusable(name, field, first["type"].replace("_", " ")) from None
    for field, fault in _faults(record):
        raise _unusable(name, field, fault)
    return record


def _unusable(name: str, field: str, fault: str) -> InvalidParams:
    where = f" at {field}" if field else ""
    return InvalidParams(
        f"the provider record {name} cannot be used: {fault}{where}; correct it and start again",
        details={"record": name, "field": field, "fault": fault},
    )


def _faults(record: Provider) -> Iterator[tuple[str, str]]:
    """Yield (field, fault) for what the types cannot check."""
    names = [field.name for field in record.fields]
    if len(set(names)) < len(names):
        yield "fields", "two fields of one name"
    if record.base_url is None and not record.base_url_required:
        yield "base_url", "neither a default nor required"
    plain = {field.name for field in record.fields if not field.secret}
    for where, url in _urls(record):
        if not set(re.findall(r"\{(\w+)\}", url)) <= plain:
            yield where, "a template names no plain field"
    for where, name in _named_fields(record):
        if name not in names:
            yield where, "no such field"
    for where, pattern in _patterns(record):
        if not _is_pattern(pattern):
            yield where, "not a regular expression"
    yield from _unknown_families(record)
    unusable = [*_unknown_dialects(record)]
    yield from unusable or _quirk_faults(record)


def _unknown_dialects(record: Provider) -> Iterator[tuple[str, str]]:
    from byokd.catalog.quirks import DIALECTS, quirks_type

    for surface in record.surfaces:
        if surface.like is not None and surface.like.provider not in load():
            yield "surfaces.like.provider", "no such provider"
    dialects = [("dialect", record.dialect)]
    dialects += [("surfaces.dialect", surface.dialect) for surface in record.surfaces]
    for where, dialect in dialects:
        if quirks_type(dialect) is None:
            yield where, f"unknown dialect {dialect}, use one of {', '.join(DIALECTS)}"


def _unknown_families(record: Provider) -> Iterator[tuple[str, str]]:
    from byokd.catalog.families import families

    for variant in record.variants:
        if variant.family is not None and variant.family not in families():
            yield "variants.family", f"unknown family {variant.family}"
        versioned = variant.family is not None or "(?P<version>" in (variant.models or "")
        if not versioned and (variant.since is not None or variant.before is not None):
            yield "variants", "a version without a family, or a group `version` in models"


def _quirk_faults(record: Provider) -> Iterator[tuple[str, str]]:
    from byokd.catalog.surfaces import with_surface

    yield from _faults_in("quirks", record.quirks, record.dialect)
    for variant in record.variants:
        yield from _faults_in("variants.quirks", variant.quirks, record.dialect)
    for surface in record.surfaces:
        yield from _faults_in("surfaces.quirks", surface.quirks, surface.dialect)
        on_surface = with_surface(record, surface)
        for quirks in (on_surface.quirks, *(variant.quirks for variant in on_surface.variants)):
            yield from _faults_in("quirks", quirks | surface.quirks, surface.dialect)


def _faults_in(where: str, quirks: RawQuirks, dialect: str) -> Iterator[tuple[str, str]]:
    from byokd.catalog.quirks import quirks_type

    form = quirks_type(dialect)
    if form is None:  # reported as an unknown dialect
        return
    try:
        checked = form.model_validate(quirks)
    except ValidationError as failure:
        for error in failure.errors(include_url=False, include_input=False):
            field = ".".join(map(str, (where, *error["loc"])))
            unread = error["type"] == "extra_forbidden"
            fault = "no quirk" if unread else error["type"].replace("_", " ")
            yield field, f"{fault} of the dialect {dialect}"
        return
    for name in form.model_fields:
        value = getattr(checked, name)
        if name.endswith(QUIRK_PATTERNS) and value is not None and not _is_pattern(value):
            yield f"{where}.{name}", "not a regular expression"


def _is_pattern(text: str) -> bool:
    try:
        re.compile(text)
    except re.error:
        return False
    return True


def _named_fields(record: Provider) -> Iterator[tuple[str, str]]:
    auth = record.auth
    while auth is not None:
        if auth.scheme != "none":
            yield "auth.field", auth.field
        if auth.otherwise is None:
            break
        auth = auth.otherwise
    for group in record.one_of:
        yield from (("one_of", name) for name in group)


def _urls(record: Provider) -> Iterator[tuple[str, str]]:
    yield "base_url", record.base_url or ""
    yield from (("companion_origins", origin) for origin in record.companion_origins)
    yield from (("probe.url", probe.url or "") for probe in _probes(record.probe))
    yield from (("models.url", models.url or "") for models in _lists(record.models))
    yield from (("hosts.base_url", host.base_url) for host in record.hosts)
    for surface in record.surfaces:
        if surface.probe is not None:
            yield from (("surfaces.probe.url", probe.url or "") for probe in _probes(surface.probe))
        if surface.listing is not None:
            lists = _lists(surface.listing)
            yield from (("surfaces.listing.url", models.url or "") for models in lists)


def _probes(probe: Probe) -> Iterator[Probe]:
    yield probe
    if probe.fallback is not None:
        yield from _probes(probe.fallback)


def _lists(models: Models) -> Iterator[Models]:
    yield models
    for more in models.also:
        yield from _lists(more)


def _patterns(record: Provider) -> Iterator[tuple[str, str]]:
    conditions: list[tuple[str, Condition]] = [("errors", row.when) for row in record.errors]
    for probe in _probes(record.probe):
        conditions += [("probe.verdicts", row.when) for row in probe.verdicts]
    patterns = [(f"{where}.when.message", when.message) for where, when in conditions]
    patterns += [(f"fields.{field.name}.pattern", field.pattern) for field in record.fields]
    patterns += [
        ("models.non_chat_pattern", models.non_chat_pattern) for models in _lists(record.models)
    ]
    patterns += [("variants.models", variant.models or "") for variant in record.variants]
    patterns += [("variants.prefix", variant.prefix) for variant in record.variants]
    patterns += [("pasted", pasted.pattern) for pasted in record.pasted]
    for surface in record.surfaces:
        patterns += [("surfaces.like.prefix", surface.like.prefix)] if surface.like else []
        patterns += [("surfaces.models", surface.models), ("surfaces.base_url", surface.base_url)]
        patterns += [(f"surfaces.fields.{name}", text) for name, text in surface.fields.items()]
    yield from ((where, pattern) for where, pattern in patterns if pattern is not None)
