"""The links of the audit chain.

h[i] = SHA-256(T(…, entry i, h[i-1]))        anyone can verify an export against a known end
m[i] = HMAC(audit key, T(…, h[i], m[i-1]))   only the holder of the vault's key can make one
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from byokd.crypto.encoding import CONTEXT, pack
from byokd.crypto.kdf import digest, mac, subkey


class Link(NamedTuple):
    h: bytes
    m: bytes


@dataclass(frozen=True, slots=True)
class ChainEntry:
    """`body` is bytes, so that no serialiser is involved."""

    seq: int
    ts_us: int
    event: str
    account_ref: str
    key_ref: str
    actor: str
    body: bytes


@dataclass(frozen=True, repr=False)
class Chain:
    store_id: bytes
    epoch: int
    key: bytes

    @cached_property
    def prefix(self) -> bytes:
        """The start of every hash input of the epoch."""
        return pack(CONTEXT, "audit-h", self.store_id, self.epoch)

    def genesis(self) -> Link:
        """Return the link before the first entry."""
        # The last element is the end of a previous epoch, which no store has.
        h = digest(pack(CONTEXT, "audit-genesis", self.store_id, self.epoch, b""))
        return Link(h, mac(self.key, "audit-m", h, b""))

    def next_link(self, previous: Link, entry: ChainEntry) -> Link:
        h = digest(
            # packed lists can be concatenated, so the constant prefix is packed once
            self.prefix
            + pack(
                entry.seq,
                entry.ts_us,
                entry.event,
                entry.account_ref,
                entry.key_ref,
                entry.actor,
                entry.body,
                previous.h,
            )
        )
        return Link(h, self.authenticate(previous, h))

    def authenticate(self, previous: Link, h: bytes) -> bytes:
        """Return the MAC of an entry with hash `h` that directly follows `previous`."""
        return mac(self.key, "audit-m", h, previous.m)


def derive_chain(root: bytes, store_id: bytes, epoch: int) -> Chain:
    return Chain(store_id, epoch, subkey(root, "audit-mac", epoch))
