"""Signed catalog files for tests, made by the tool of the maintainers with a throw-away key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from byokd.catalog.layers import CatalogData, bundled
from byokd.catalog.loader import load
from byokd.catalog.signed_file import SCHEMA, read_verified
from byokd.crypto.signature import VerifyingKey
from tools.make_catalog import checkout_parts, public_key, signed

Parts: TypeAlias = dict[str, Any]
Edit: TypeAlias = Callable[[Parts], None]

PRIVATE_KEY = Ed25519PrivateKey.generate()
PUBLIC_KEY = public_key(PRIVATE_KEY)
KEY = VerifyingKey(PUBLIC_KEY)
NEWER = "2027-03-01"
"""A day after that of the package's data."""

SMALL: Parts = {"providers": [], "errors": [], "refusals": [], "families": {}, "models": {}}


def catalog_file(*edits: Edit, day: str = NEWER, schema: int = SCHEMA) -> bytes:
    """Return a signed file with the package's data, edited."""
    parts = checkout_parts()
    for edit in edits:
        edit(parts)
    return signed(PRIVATE_KEY, day, parts, schema)


def catalog_data(*edits: Edit, day: str = NEWER) -> CatalogData:
    """Return the data of such a file."""
    return read_verified(catalog_file(*edits, day=day), KEY)


def record_edit(provider: str, **fields: Any) -> Edit:
    """Return an edit of a provider's record; a field that is None is removed."""

    def edit(parts: Parts) -> None:
        record = next(each for each in parts["providers"] if each["id"] == provider)
        record.update(fields)
        for name in [name for name, value in fields.items() if value is None]:
            del record[name]

    return edit


def a_provider() -> str:
    """Return a provider of the package with a default address and more than ten models."""
    models = bundled().raw("models")
    assert isinstance(models, dict)
    lines: Any = models["providers"]
    return next(
        record.id
        for record in load().values()
        if record.base_url and len(lines.get(record.id, ())) > 10
    )
