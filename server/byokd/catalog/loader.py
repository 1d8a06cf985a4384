"""Loads the package's provider records.

`load` reads `providers.json`, which `snapshot.py` writes from the TOML records, because parsing 100
kB of TOML would be most of the start-up time.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType

from pydantic_core import from_json

from byokd.catalog.record import Provider


@cache
def load() -> Mapping[str, Provider]:
    """Return the package's records by id, in display order."""
    data = resources.files(__package__).joinpath("providers.json").read_bytes()
    records = [Provider.model_validate(record) for record in from_json(data)]
    return MappingProxyType({record.id: record for record in records})
