"""Decides whether a verified catalog file may be used. Raises `Conflict` with the reason if not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Annotated, Any, Final, TypeAlias, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import to_json

from byokd.catalog import record
from byokd.catalog.allowed import ALLOWED, fixed_changes
from byokd.catalog.comparison import changes, shrunk_lists
from byokd.catalog.errors import load_errors, load_refusals
from byokd.catalog.families import shared_rows
from byokd.catalog.layers import CatalogData
from byokd.catalog.loader import load
from byokd.catalog.patterns import pattern_fault
from byokd.catalog.quirks import DIALECTS, quirks_type
from byokd.catalog.record import Day
from byokd.catalog.record_file import QUIRK_PATTERNS, check_record
from byokd.catalog.signed_file import refused
from byokd.catalog.variant import Variant
from byokd.core.limits import CATALOG_CHANGES_MAX, CATALOG_DATE_AHEAD_MAX_DAYS
from byokd.protocol.actions import RefreshCatalogAction
from byokd.protocol.base import Json, ModelId
from byokd.protocol.catalog import CatalogChange
from byokd.protocol.errors import InvalidParams

_RULE_MAX_DEPTH: Final = 8

PATTERN_FIELDS: Final[Mapping[type[BaseModel], tuple[str, ...]]] = {
    record.Condition: ("message",),
    record.RefusalRow: ("message",),
    record.Models: ("non_chat_pattern",),
    record.Ending: ("models",),
    Variant: ("models", "prefix"),
    record.Like: ("prefix",),
    record.Surface: ("models", "base_url", "fields"),
}
"""Fields that are regular expressions, or tables of them, besides the quirks."""


class _Part(BaseModel):
    # Built when the first file is checked.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


_Amount: TypeAlias = Annotated[str, StringConstraints(pattern=r"^\d{1,6}(\.\d{1,32})?$")]
_Tier: TypeAlias = tuple[Annotated[int, Field(ge=0)], _Amount]
_Amounts: TypeAlias = _Amount | Annotated[list[_Tier], Field(min_length=1)] | None
_Hour: TypeAlias = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
_Count: TypeAlias = Annotated[int, Field(gt=0, le=1_000_000_000)]
_Name: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f-\x9f]{1,200}$")]


class _Rates(_Part):
    since: Day | None = None
    utc: tuple[_Hour, _Hour] | None = None
    input: _Amounts = None
    output: _Amounts = None
    cache_read: _Amounts = None
    cache_write: _Amounts = None
    search: _Amounts = None
    request: _Amounts = None


class _Line(_Part):
    id: ModelId
    name: _Name | None = None
    match: JsonValue = None
    listed: bool = True
    context: _Count | None = None
    output: _Count | None = None
    inputs: list[str] | None = None
    tools: bool | None = None
    reasoning: bool | None = None
    deprecated: bool | None = None
    rates: list[_Rates] = []


class _Snapshot(_Part):
    """The form of the models, which `catalog.models` reads. A field without a row is refused."""

    source: str
    as_of: Day
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
    fallbacks: dict[str, list[str]]
    prefixes: dict[str, str]
    providers: dict[str, list[_Line]]


def require_newer(new: CatalogData, current: CatalogData, floor: str | None, today: date) -> None:
    """Raise unless the file is newer than the data in use and no older than any accepted one."""
    if new.date <= current.date or (floor is not None and new.date < floor):
        least = max(current.date, floor or "")
        raise refused(
            "notNewer",
            f"it is of {new.date} and data of {least} is here already; fetch a newer one",
            date=new.date,
            floor=least,
        )
    latest = today + timedelta(days=CATALOG_DATE_AHEAD_MAX_DAYS)
    if date.fromisoformat(new.date) > latest:
        raise refused(
            "future",
            f"it is of {new.date}, which is still to come; check the clock of this machine, or"
            " the file's source",
            date=new.date,
        )


def require_usable(new: CatalogData) -> None:
    """Raise unless this byokd can use every record, row and model, and only allowed fields differ.

    Compares with the package's records, whose hosts and ways to send a key are fixed.
    """
    names: set[str] = set()
    for raw in _table(new, "providers"):
        name = str(raw.get("id", "?")) if isinstance(raw, dict) else "?"
        _require_record(name, raw)
        if name in names:
            raise _content(name, "two records of one provider")
        names.add(name)
    _require_rows(new)
    _require_families(new)
    _require_models(new)


def require_plausible(
    new: CatalogData, current: CatalogData, *, accept: bool
) -> tuple[tuple[CatalogChange, ...], int]:
    """Return the changes, and how many more there are; raise if a list shrank or a price jumped.

    `accept` allows prices that moved ten-fold.
    """
    for name, count, left in shrunk_lists(current, new):
        raise refused(
            "shrank",
            f"the list of {name} shrank from {count} to {left}, as if it was cut off; ask those"
            " who made the file",
            list=name,
            before=count,
            after=left,
        )
    listed = sorted(changes(current, new), key=lambda change: not change.needs_accept)
    moved = [change for change in listed if change.needs_accept]
    if moved and not accept:
        first = moved[0]
        more = f" and {len(moved) - 1} more" if len(moved) > 1 else ""
        raise refused(
            "priceMoved",
            f"the price of {first.provider} {first.subject}{more} moved ten-fold or more, from"
            f" {first.before} to {first.after}; look at the changes, then accept them",
            action=RefreshCatalogAction(accept=True, details={"accept": True}),
            models=[f"{change.provider} {change.subject}" for change in moved[:20]],
        )
    return tuple(listed[:CATALOG_CHANGES_MAX]), max(0, len(listed) - CATALOG_CHANGES_MAX)


# --- records -------------------------------------------------------------------------------------


def _require_record(name: str, raw: Any) -> None:
    shipped = load().get(name)
    if shipped is None:
        raise refused(
            "newProvider",
            f"it has the provider {name[:64]}, which this byokd does not have; update byokd",
            provider=name[:64],
        )
    try:
        new = check_record(raw, name)
    except InvalidParams as error:
        fault = cast("dict[str, str]", error.fields["details"])
        raise _content(f"{name}.{fault['field']}", fault["fault"]) from None
    if places := fixed_changes(shipped, new):
        raise refused(
            "fixedField",
            f"it changes {', '.join(places[:5])} of {name}, which only a release of byokd may"
            " change; do not use it, and tell those who made it",
            provider=name,
            fields=list(places[:20]),
        )
    for place, pattern in record_patterns(new):
        _require_pattern(f"{name}.{place}", pattern)


def record_patterns(value: BaseModel, place: str = "") -> Iterator[tuple[str, str]]:
    """Yield (place, regular expression) of what a file may change in a record."""
    patterns = PATTERN_FIELDS.get(type(value), ())
    for name, rule in ALLOWED.get(type(value), {}).items():
        field = getattr(value, name)
        if rule == "inside":
            for each in field if isinstance(field, tuple) else (field,):
                if isinstance(each, BaseModel):
                    yield from record_patterns(each, f"{place}{name}.")
        elif name in patterns or name == "quirks":
            yield from _patterns_in(field, f"{place}{name}", every=name in patterns)


def _patterns_in(value: object, place: str, *, every: bool) -> Iterator[tuple[str, str]]:
    """Yield the pattern or those of a table: all its values, or the quirks that are patterns."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for name, text in value.items():
            if isinstance(text, str) and (every or name.endswith(QUIRK_PATTERNS)):
                yield f"{place}.{name}", text


def _require_pattern(place: str, pattern: str) -> None:
    if fault := pattern_fault(pattern):
        raise refused(
            "pattern",
            f"the pattern at {place} {'is ' if fault.startswith(('not', 'longer')) else ''}{fault};"
            " ask those who made the file",
            place=place,
        )


def _content(place: str, fault: str) -> Exception:
    return refused(
        "content",
        f"this byokd cannot read it at {place} ({fault}); update byokd, or ask those who made it",
        place=place,
    )


def _table(data: CatalogData, part: Any) -> list[Any]:
    try:
        rows = data.raw(part)
    except ValueError:
        raise _content(part, "not JSON") from None
    if not isinstance(rows, list):
        raise _content(part, "not a list")
    return rows


# --- rows and models -----------------------------------------------------------------------------


def _require_rows(new: CatalogData) -> None:
    _table(new, "errors")
    _table(new, "refusals")
    try:
        errors, refusals = load_errors(new), load_refusals(new)
    except ValidationError as failure:
        raise _content(*_first_fault("rows", failure)) from None
    for part, rows in (("errors", errors), ("refusals", refusals)):
        for number, row in enumerate(rows):
            for place, pattern in record_patterns(row, f"{part}.{number}."):
                _require_pattern(place, pattern)


def _require_families(new: CatalogData) -> None:
    """Raise unless the families and their rules fit; `byokd.catalog.families` reads them."""
    try:
        raw = new.raw("families")
        if not isinstance(raw, dict) or set(raw) != {"families", "rows"}:
            raise _content("families", "not a table of families and rows")
        names: dict[str, str] = TypeAdapter(dict[str, str]).validate_python(raw["families"])
        rows = shared_rows(new)
    except ValidationError as failure:
        raise _content(*_first_fault("families", failure)) from None
    except ValueError:
        raise _content("families", "not JSON") from None
    for name, pattern in names.items():
        _require_pattern(f"families.{name}", pattern)
    for number, row in enumerate(rows):
        if row.family is not None and row.family not in names:
            raise _content(f"families.rows.{number}", "no such family")
        for place, pattern in record_patterns(row, f"families.rows.{number}."):
            _require_pattern(place, pattern)
        _require_quirks(f"families.rows.{number}.quirks", row)


def _require_quirks(place: str, row: Variant) -> None:
    """Raise unless each quirk is one of a dialect, and fits those that have it."""
    unknown = set(row.quirks)
    for dialect in row.dialects or DIALECTS:
        form = quirks_type(dialect)
        if form is None:
            raise _content(place, f"unknown dialect {dialect[:64]}")
        own = {name: value for name, value in row.quirks.items() if name in form.model_fields}
        unknown -= set(own)
        try:
            form.model_validate(own)
        except ValidationError as failure:
            raise _content(*_first_fault(place, failure)) from None
    if unknown:
        raise _content(f"{place}.{min(unknown)[:64]}", "no quirk of a dialect")


def _require_models(new: CatalogData) -> None:
    try:
        snapshot = _Snapshot.model_validate_json(to_json(new.raw("models")))
    except ValidationError as failure:
        raise _content(*_first_fault("models", failure)) from None
    except ValueError:
        raise _content("models", "not JSON") from None
    for provider, lines in snapshot.providers.items():
        if provider not in load():
            raise _content(f"models.{provider[:64]}", "unknown provider")
        for line in lines:
            _require_rule(f"models.{provider}.{line.id}", line.match)


def _require_rule(place: str, rule: Json, depth: int = 0) -> None:
    match rule:
        case None:
            return
        case ["any" | "all", [*inner]] if depth < _RULE_MAX_DEPTH:
            for each in inner:
                _require_rule(place, each, depth + 1)
        case ["is" | "starts" | "ends" | "has", str()]:
            return
        case ["like", str() as pattern]:
            _require_pattern(place, pattern)
        case _:
            raise _content(place, "a rule of another form")


def _first_fault(part: str, failure: ValidationError) -> tuple[str, str]:
    first = failure.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(step) for step in (part, *first["loc"]))
    return place[:200], first["type"].replace("_", " ")
