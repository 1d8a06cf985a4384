"""The fields of each effort, and the marks for the prompt cache, at every provider.

`efforts.json` was reviewed against what providers document of their models. A cell shows the fields
that the effort adds, and whether something was lost.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from byokd.catalog.loader import load
from byokd.catalog.quirks.shared import Quirks
from dialects.sample_calls import EFFORTS, SampleCall, rows
from recorded import VECTORS

_ROWS = rows()
_EFFORT_QUIRKS = {
    "effort_field", "effort_words", "effort_levels", "efforts", "reasoning_models", "thinking_off",
    "thinking_shown",
}  # fmt: skip


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, child in value.items():
            yield from _leaves(child, f"{path}.{name}" if path else name)
    else:
        yield path, json.dumps(value)


def cell(row: SampleCall, effort: str) -> str:
    """Return the cell of an effort."""
    before = dict(_leaves(row.body()))
    encoded = row.encoded(reasoning={"effort": effort})
    after = dict(_leaves(json.loads(encoded.request.body)))
    sent = [f"{path}={value}" for path, value in after.items() if before.get(path) != value]
    warned = [f"({warn.type})" for warn in encoded.warnings if warn.parameter == "reasoning"]
    return " ".join(sent + warned).replace('"', "")


@pytest.mark.parametrize("row", _ROWS, ids=str)
def test_effort_fields_match_the_table(row: SampleCall) -> None:
    assert {effort: cell(row, effort) for effort in EFFORTS} == row.efforts


@pytest.mark.parametrize("name", load())
def test_every_variant_has_a_row(name: str) -> None:
    """The table shows each variant that sets a quirk about efforts."""
    record = load()[name]
    models = [row.model for row in _ROWS if row.provider == name]
    assert models
    seen = [record.quirks_for(model) for model in models]
    for variant in record.variants:
        own = _texts(variant.quirks)
        if own:
            assert any(own.items() <= _set(quirks).items() for quirks in seen), variant.models


def _set(quirks: Quirks) -> dict[str, str]:
    return _texts(quirks.model_dump(mode="json", exclude_unset=True))


def _texts(quirks: dict[str, Any]) -> dict[str, str]:
    """Return the quirks that are about efforts, with their values as JSON text."""
    return {
        name: json.dumps(value, sort_keys=True)
        for name, value in quirks.items()
        if name in _EFFORT_QUIRKS
    }


# --- the cache ------------------------------------------------------------------------------------

_CACHES = json.loads((VECTORS / "caches.json").read_text(encoding="utf-8"))
_LONG = {
    "messages": [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "hello"},
        {"role": "user", "content": "go on"},
    ],
    "tools": [{"name": "f", "inputSchema": {"type": "object"}}],
}


def _marks(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, list):
        for index, child in enumerate(value):
            yield from _marks(child, f"{path}/{index}")
    elif isinstance(value, dict):
        for name, child in value.items():
            if name in {"cache_control", "cachePoint"}:
                yield f"{path}/{name}"
            yield from _marks(child, f"{path}/{name}")


@pytest.mark.parametrize("row", _ROWS, ids=str)
def test_cache_marks_match_the_table(row: SampleCall) -> None:
    """A model without a row gets no mark: unknown servers refuse them."""
    assert [*_marks(row.body(**_LONG))] == _CACHES.get(str(row), [])
    assert [*_marks(row.body(**_LONG, cache="off"))] == []


def test_cache_rows_are_of_known_models() -> None:
    assert set(_CACHES) <= {str(row) for row in _ROWS}
