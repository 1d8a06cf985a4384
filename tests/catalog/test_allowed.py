"""What a refreshed file and an override may change: each field of a record has its rule."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from byokd.catalog import record
from byokd.catalog.allowed import ALLOWED, fixed_changes
from byokd.catalog.loader import load
from byokd.catalog.record import Models, Probe, Provider, Surface
from byokd.core.settings import OwnModel

_WHERE = "server/byokd/catalog/allowed.py"


def _types(kind: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[type[BaseModel]]:
    """Yield a type and the types of its fields that the table looks into."""
    if kind in seen:
        return
    seen.add(kind)
    yield kind
    rules = ALLOWED.get(kind, {})
    for name, field in kind.model_fields.items():
        if rules.get(name) == "inside":
            for inner in _models_in(field.annotation):
                yield from _types(inner, seen)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)


TYPES = tuple(_types(Provider, set()))
FIELDS = [(kind, name) for kind in TYPES for name in kind.model_fields]
FIXED = [(kind, name) for kind, name in FIELDS if ALLOWED.get(kind, {}).get(name) == "fixed"]
_OF_PROVIDER = [name for kind, name in FIXED if kind is Provider]


@pytest.mark.parametrize(
    ("kind", "name"), FIELDS, ids=lambda value: getattr(value, "__name__", value)
)
def test_field_of_a_record_has_a_rule(kind: type[BaseModel], name: str) -> None:
    assert name in ALLOWED.get(kind, {}), (
        f"{kind.__name__}.{name} is a new field of a record: say in ALLOWED of {_WHERE} whether a"
        " refreshed file may change it (free), may not (fixed: hosts, auth, headers, addresses), or"
        " has a type with a table of its own (inside). Until then a file that sets it is refused."
    )


def test_table_names_only_fields_that_exist() -> None:
    assert set(ALLOWED) == set(TYPES), f"a type in {_WHERE} is no part of a record any more"
    named = {(kind, name) for kind, rules in ALLOWED.items() for name in rules}
    assert named == set(FIELDS)


def test_rules_of_what_binds_a_key_are_fixed() -> None:
    """The promise of SECURITY.md, written a second time: a change of the table shows here."""
    bound = {
        "id", "kind", "base_url", "base_url_required", "base_url_hint", "base_url_env", "hosts",
        "pasted", "keyless", "fields", "one_of", "auth", "headers", "companion_origins", "key_url",
        "docs_url", "overrides",
    }  # fmt: skip
    assert bound <= set(_OF_PROVIDER)
    nested = {(kind, name) for kind, name in FIXED if kind is not Provider}
    assert nested == {
        (Probe, "url"), (Models, "url"), (Models, "own"), (Surface, "auth"), (Surface, "headers"),
    }  # fmt: skip


RICH = next(r for r in load().values() if r.pasted and r.surfaces)
"""A shipped record that uses most of what is fixed."""


def _other(value: object) -> object:
    """Return another value of the same form."""
    match value:
        case bool():
            return not value
        case str() | None:
            return f"{value}x"
        case tuple():
            return value[1:] if value else ("x",)
        case dict():
            return {**value, "x": "y"}
        case record.Auth():
            return value.model_copy(update={"header": "x-other"})
    raise AssertionError(value)


@pytest.mark.parametrize("name", _OF_PROVIDER)
def test_change_of_a_fixed_field_is_named(name: str) -> None:
    changed = RICH.model_copy(update={name: _other(getattr(RICH, name))})
    assert fixed_changes(RICH, changed) == (name,)


@pytest.mark.parametrize("shipped", list(load().values()), ids=lambda shipped: shipped.id)
def test_record_itself_changes_nothing_fixed(shipped: Provider) -> None:
    free = {
        name: _other(getattr(shipped, name))
        for name, rule in ALLOWED[Provider].items()
        if rule == "free" and isinstance(getattr(shipped, name), str | tuple | dict)
    }
    assert fixed_changes(shipped, shipped) == ()
    assert fixed_changes(shipped, shipped.model_copy(update=free)) == ()


_URL = "https://other.example/v1/models"
_BASE = RICH.model_copy(
    update={
        "probe": Probe(path="/a", url="https://one.example/a", fallback=Probe(path="/b")),
        "models": Models(
            path="/m", also=(Models(url="https://one.example/m"), Models(path="/n", over=True))
        ),
        "surfaces": (Surface(dialect="x", chat_path="/c", listing=Models(path="/l")),),
    }
)
_NESTED: dict[str, tuple[dict[str, object], tuple[str, ...]]] = {
    "path of the probe": ({"probe": _BASE.probe.model_copy(update={"path": "/z"})}, ()),
    "url of the probe": ({"probe": _BASE.probe.model_copy(update={"url": _URL})}, ("probe.url",)),
    "probe without its url": ({"probe": Probe(path="/a")}, ("probe.url",)),
    "url of the fallback": (
        {"probe": _BASE.probe.model_copy(update={"fallback": Probe(url=_URL)})},
        ("probe.fallback.url",),
    ),
    "no fallback": ({"probe": _BASE.probe.model_copy(update={"fallback": None})}, ()),
    "new fallback of a fallback": (
        {"probe": _BASE.probe.model_copy(
            update={"fallback": Probe(path="/b", fallback=Probe(url=_URL))})},
        ("probe.fallback.fallback.url",),
    ),
    "lists in another order": ({"models": Models(path="/m", also=_BASE.models.also[::-1])}, ()),
    "a list fewer": ({"models": Models(path="/m", also=_BASE.models.also[1:])}, ()),
    "a list by path more": (
        {"models": Models(path="/m", also=(*_BASE.models.also, Models(path="/o")))}, (),
    ),
    "a list by url more": (
        {"models": Models(path="/m", also=(*_BASE.models.also, Models(url=_URL)))},
        ("models.also.url",),
    ),
    "a list within a new list": (
        {"models": Models(path="/m", also=(Models(path="/p", fallback=Models(url=_URL)),))},
        ("models.also.fallback.url",),
    ),
    "url of a list": ({"models": Models(url=_URL)}, ("models.url",)),
    "own models": (
        {"models": Models(path="/m", own=(OwnModel(id="x"),))}, ("models.own",),
    ),
    "a surface by path more": (
        {"surfaces": (*_BASE.surfaces, Surface(dialect="y", chat_path="/d"))}, (),
    ),
    "a surface with a list by url": (
        {"surfaces": (Surface(dialect="y", chat_path="/d", listing=Models(url=_URL)),)},
        ("surfaces.listing.url",),
    ),
    "a surface with headers": (
        {"surfaces": (Surface(dialect="y", chat_path="/d", headers={"x": "y"}),)},
        ("surfaces.headers",),
    ),
    "a surface with auth": (
        {"surfaces": (Surface(dialect="x", chat_path="/c", auth=record.Auth(header="x")),)},
        ("surfaces.auth",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", _NESTED)
def test_nested_address_is_fixed_and_its_path_is_not(case: str) -> None:
    update, expected = _NESTED[case]
    assert fixed_changes(_BASE, _BASE.model_copy(update=update)) == expected
