"""Dialects are found by name."""

from __future__ import annotations

import sys

import pytest

from byokd.dialects.registry import DIALECTS, find_dialect
from byokd.protocol.errors import Unsupported


@pytest.mark.parametrize("name", DIALECTS)
def test_every_dialect_can_be_imported(name: str) -> None:
    dialect = find_dialect(name)
    assert callable(dialect.encode)
    assert callable(dialect.decoder)
    assert sys.modules[DIALECTS[name]] is dialect


def test_unknown_dialect_is_unsupported() -> None:
    with pytest.raises(Unsupported, match="morse"):
        find_dialect("morse")
