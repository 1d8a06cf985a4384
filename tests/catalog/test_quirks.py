"""Quirks by dialect: each type has what its dialect reads, and a record may set nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from byokd.catalog.quirks import quirks_type
from byokd.catalog.quirks.shared import Quirks
from byokd.catalog.record_file import load_text
from byokd.dialects.registry import DIALECTS
from byokd.protocol.errors import InvalidParams

_DIALECTS = Path(__file__).parents[2] / "server/byokd/dialects"
_TESTS = Path(__file__).parents[1]

RECORD = """
id = "mine"
name = "Mine"
kind = "custom"
dialect = "{dialect}"
base_url = "https://mine.test/v1"
tool_calling = "native"
pricing = "none"
[[fields]]
name = "apiKey"
label = "key"
[probe]
path = "/models"
[models]
[[sources]]
url = "https://mine.test"
checked = "2026-11-01"
"""


def _form(dialect: str) -> type[Quirks]:
    form = quirks_type(dialect)
    assert form is not None
    return form


_ALL = {name for dialect in DIALECTS for name in _form(dialect).model_fields}
_FOREIGN = [
    (dialect, name)
    for dialect in DIALECTS
    for name in sorted(_ALL - set(_form(dialect).model_fields))
]


def _value(name: str) -> str:
    """Return a value for a quirk, in TOML, that fits some dialect that has it."""
    form = next(_form(d) for d in DIALECTS if name in _form(d).model_fields)
    usual = form.model_fields[name].get_default()
    if isinstance(usual, bool):
        return str(not usual).lower()
    return {int: "7", str: '"none"', tuple: '["x"]', dict: "{}"}.get(type(usual), '"x"')


def test_every_dialect_has_a_type() -> None:
    assert {dialect for dialect in DIALECTS if quirks_type(dialect) is not None} == set(DIALECTS)
    assert quirks_type("unheard_of") is None


@pytest.mark.parametrize(("dialect", "name"), _FOREIGN)
def test_quirk_of_another_dialect_is_refused(dialect: str, name: str) -> None:
    text = RECORD.format(dialect=dialect) + f"[quirks]\n{name} = {_value(name)}\n"
    with pytest.raises(InvalidParams) as caught:
        load_text(text, "mine.toml")
    assert caught.value.fields["details"] == {
        "record": "mine.toml",
        "field": f"quirks.{name}",
        "fault": f"no quirk of the dialect {dialect}",
    }
    assert f"mine.toml cannot be used: no quirk of the dialect {dialect}" in str(caught.value)


@pytest.mark.parametrize(
    ("table", "field"),
    [
        ("[[variants]]\nmodels = 'x'\n[variants.quirks]\n", "variants.quirks.schema_form"),
        (
            "[[surfaces]]\ndialect = 'openai_responses'\nchat_path = '/r'\n[surfaces.quirks]\n",
            "surfaces.quirks.schema_form",
        ),
    ],
)
def test_variants_and_surfaces_are_checked(table: str, field: str) -> None:
    text = RECORD.format(dialect="openai_chat") + table + 'schema_form = "openapi"\n'
    with pytest.raises(InvalidParams) as caught:
        load_text(text, "mine.toml")
    details = caught.value.fields["details"]
    assert isinstance(details, dict)
    assert details["field"] == field


def test_surface_is_checked_against_its_own_dialect() -> None:
    surface = "[[surfaces]]\ndialect = 'gemini'\nchat_path = '/g'\n[surfaces.quirks]\n"
    text = RECORD.format(dialect="openai_chat") + surface + 'schema_form = "openapi"\n'
    assert load_text(text, "mine.toml").surfaces[0].quirks == {"schema_form": "openapi"}


def test_quirk_that_does_not_fit_a_surface_is_refused() -> None:
    """A surface takes over what its dialect reads: the value must be one of its own."""
    surface = "[[surfaces]]\ndialect = 'gemini'\nchat_path = '/g'\n"
    quirks = '[quirks]\neffort_field = "reasoning_effort"\n'
    with pytest.raises(InvalidParams, match=r"of the dialect gemini at quirks\.effort_field"):
        load_text(RECORD.format(dialect="openai_chat") + surface + quirks, "mine.toml")


@pytest.mark.parametrize("name", ["reasoning_models", "tool_call_id_pattern"])
def test_expression_in_a_quirk_is_checked(name: str) -> None:
    text = RECORD.format(dialect="openai_chat") + f'[quirks]\n{name} = "("\n'
    with pytest.raises(InvalidParams, match=f"not a regular expression at quirks.{name}"):
        load_text(text, "mine.toml")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_dialect_reads_each_of_its_quirks(dialect: str) -> None:
    """A quirk that nothing reads would be refused nowhere and change nothing."""
    modules = [*(_DIALECTS / dialect).rglob("*.py"), *(_DIALECTS / "base").rglob("*.py")]
    source = "".join(path.read_text("utf-8") for path in modules)
    read = "".join(
        path.read_text("utf-8") for path in (_DIALECTS.parent / "catalog/quirks").glob("*.py")
    )
    unread = [
        name
        for name in _form(dialect).model_fields
        if f"quirks.{name}" not in source and f"self.{name}" not in read
    ]
    assert unread == []


@pytest.mark.parametrize("name", sorted(_ALL))
def test_quirk_is_tried_somewhere(name: str) -> None:
    tests = [*(_TESTS / "dialects").rglob("*.py"), *(_TESTS / "vectors").rglob("*.json")]
    assert any(name in path.read_text("utf-8") for path in tests)
