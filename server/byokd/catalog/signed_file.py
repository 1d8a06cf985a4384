"""A catalog file: one header line, a signature, and one line of JSON for each part of the data.

    {"schema":1,"date":"2026-12-01","keyId":"…","signature":"…"}
    [provider records]
    [error rows]
    [refusal rows]
    {families of models and their rules}
    {models and prices}

The signature covers a prefix, the header without the signature, and every byte after it. Each bit
of a file counts: a header in another spelling is refused.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Final, Protocol

from pydantic_core import from_json, to_json

from byokd.catalog.layers import PARTS, CatalogData, PartName
from byokd.core.limits import CATALOG_HEADER_MAX_BYTES, CATALOG_MAX_BYTES
from byokd.protocol.actions import Action
from byokd.protocol.base import Json
from byokd.protocol.errors import Conflict

SCHEMA: Final = 1
_PREFIX: Final = b"byokd catalog file\n"


class Verifier(Protocol):
    @property
    def id(self) -> str: ...

    def verifies(self, signature: bytes, message: bytes) -> bool: ...


def refused(reason: str, text: str, *, action: Action | None = None, **details: Json) -> Conflict:
    """Return the error of a file that is not used; `details.reason` is for clients."""
    return Conflict(
        f"the catalog file was refused and nothing was changed: {text}",
        action=action,
        details={"reason": reason} | details,
    )


@dataclass(frozen=True, slots=True)
class Header:
    schema: int
    date: str
    key_id: str
    signature: str

    def signed_part(self) -> bytes:
        return to_json({"schema": self.schema, "date": self.date, "keyId": self.key_id})

    def line(self) -> bytes:
        return self.signed_part()[:-1] + b',"signature":' + to_json(self.signature) + b"}\n"


def message(schema: int, day: str, key_id: str, payload: bytes) -> bytes:
    """Return the bytes that the signature of a file covers."""
    return _PREFIX + Header(schema, day, key_id, "").signed_part() + b"\n" + payload


def payload(parts: Mapping[PartName, Json]) -> bytes:
    """Return the lines after the header."""
    return b"".join(to_json(parts[name]) + b"\n" for name in PARTS)


def read_verified(raw: bytes, key: Verifier) -> CatalogData:
    """Return the data of a file that `key` signed.

    Raises:
        Conflict: it is no such file, has another schema, or the signature does not fit.
    """
    if len(raw) > CATALOG_MAX_BYTES:
        raise refused("tooLarge", f"it is larger than {CATALOG_MAX_BYTES} bytes")
    line, newline, rest = raw.partition(b"\n")
    header = _header(line + newline)
    if header.schema != SCHEMA:
        raise refused(
            "schema",
            f"it has schema {header.schema} and this byokd reads schema {SCHEMA}; update byokd",
        )
    if header.key_id != key.id:
        raise refused(
            "otherKey",
            f"it is signed with the key {header.key_id}, and public_key in config.toml is"
            f" {key.id}; check the file's source, or the key with those who publish it",
        )
    signed = message(header.schema, header.date, header.key_id, rest)
    if not key.verifies(_signature(header), signed):
        raise refused(
            "signature", "its signature does not fit: it is cut off or was changed; fetch it again"
        )
    lines = rest.split(b"\n")
    if len(lines) != len(PARTS) + 1 or lines[-1]:
        raise refused("content", f"it has no {len(PARTS)} lines after its header; make it again")
    parts = dict(zip(PARTS, lines, strict=False))
    digest = sha256(raw).hexdigest()
    return CatalogData(
        "refreshed", parts.__getitem__, date=lambda: header.date, digest=lambda: digest
    )


def _header(line: bytes) -> Header:
    malformed = refused("notACatalog", "it does not begin as a catalog file does; check its source")
    if len(line) > CATALOG_HEADER_MAX_BYTES:
        raise malformed
    try:
        fields = from_json(line)
        header = Header(fields["schema"], fields["date"], fields["keyId"], fields["signature"])
        is_day = date.fromisoformat(header.date).isoformat() == header.date
        typed = type(header.schema) is int and {type(header.key_id), type(header.signature)} == {
            str
        }
        same = is_day and typed and header.line() == line
    except (ValueError, TypeError, KeyError, AttributeError):
        raise malformed from None
    if not same:
        raise malformed
    return header


def _signature(header: Header) -> bytes:
    try:
        signature = binascii.a2b_base64(header.signature, strict_mode=True)
    except (binascii.Error, ValueError):
        return b""
    return signature if base64.b64encode(signature).decode() == header.signature else b""
