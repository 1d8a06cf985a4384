"""The provider records and the folder of test vectors."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from byokd.catalog.record import Models, Probe, Provider, Source

ROOT = Path(__file__).resolve().parent.parent
VECTORS = ROOT / "tests" / "vectors"
_RECORDS = ROOT / "server" / "byokd" / "catalog" / "providers"

BARE = Provider(
    id="bare",
    name="Bare",
    kind="singleField",
    dialect="openai_chat",
    fields=(),
    tool_calling="",
    pricing="",
    probe=Probe(path="/models"),
    models=Models(path="/models"),
    sources=(Source(url="https://example.org", checked="2026-11-23"),),
)
"""A provider without rows of its own, for what applies to every provider."""


@cache
def record(provider_id: str) -> Provider:
    """Return the shipped record of a provider."""
    path = _RECORDS / f"{provider_id}.toml"
    return Provider.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
