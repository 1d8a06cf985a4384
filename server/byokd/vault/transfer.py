"""Packs a key entry, without its health, for another machine, and unpacks it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from byokd.core.secret import Secret
from byokd.crypto.encoding import pack, unpack, unpack_pairs
from byokd.crypto.envelope import wipe
from byokd.store.transaction import VaultTx
from byokd.vault.keys import open_fields
from byokd.vault.rows import KeyRow, NewKey


@dataclass(frozen=True, slots=True)
class TransferredKey:
    """An entry from another machine; `disabled` by the person."""

    new: NewKey
    disabled: bool


def pack_entry(tx: VaultTx, row: KeyRow) -> bytes:
    """Return an entry with its secrets in clear: the caller seals it at once."""
    about = {
        "provider": row.provider,
        "origin": row.origin,
        "label": row.label,
        "baseUrl": row.base_url,
        "allowInsecureOrigin": row.allow_insecure,
        "isDefault": row.is_default,
        "disabled": row.state == "userDisabled",
        "secret": sorted(name for name, shown in row.fields.items() if shown is None),
    }
    fields = open_fields(tx, row)
    packed = pack(json.dumps(about, sort_keys=True).encode(), bytes(fields))
    wipe(fields)
    return packed


def unpack_entry(plaintext: bytearray) -> TransferredKey:
    """Return the entry in `plaintext`, and overwrite the buffer.

    Raises:
        ValueError: it holds no entry.
    """
    try:
        head, packed = unpack(plaintext)
        about: dict[str, Any] = json.loads(head)
        secret = set(about["secret"])
        fields = {
            name: Secret(value) if name in secret else value
            for name, value in unpack_pairs(packed).items()
        }
        new = NewKey(
            provider=about["provider"],
            origin=about["origin"],
            fields=fields,
            label=about["label"],
            base_url=about["baseUrl"],
            allow_insecure=about["allowInsecureOrigin"] is True,
            make_default=about["isDefault"] is True,
        )
        return TransferredKey(new, disabled=about["disabled"] is True)
    except (KeyError, TypeError) as error:
        raise ValueError("not an entry") from error
    finally:
        wipe(plaintext)
