"""Reads the general rows of the error classifier, and the texts that refuse a parameter.

`dialects.errors` tries a provider's own rows first, then these, in the order of the files.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

from pydantic import TypeAdapter

from byokd.catalog.record import ErrorRow, RefusalRow


@cache
def load_errors() -> tuple[ErrorRow, ...]:
    text = files("byokd.catalog").joinpath("errors.toml").read_text(encoding="utf-8")
    return TypeAdapter(tuple[ErrorRow, ...]).validate_python(tomllib.loads(text)["errors"])


@cache
def load_refusals() -> tuple[RefusalRow, ...]:
    text = files("byokd.catalog").joinpath("refusals.toml").read_text(encoding="utf-8")
    return TypeAdapter(tuple[RefusalRow, ...]).validate_python(tomllib.loads(text)["refusals"])
