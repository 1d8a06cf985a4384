"""The links of the audit chain.

    h[i] = SHA-256(T(…, entry i, h[i-1]))        anyone can check an export against a known head
    m[i] = HMAC(audit key, T(…, h[i], m[i-1]))   only who holds the vault's key can make one

Knows how one link follows from the one before. Must not know where entries are kept.

Both are needed: a bare hash chain can be recomputed by whoever edits the file, and a MAC alone
tells nothing to somebody without the key.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from byokd.crypto.encoding import CONTEXT, pack
from byokd.crypto.kdf import digest, mac, subkey


class Link(NamedTuple):
    """The two values that an entry leaves for the next one."""

    h: bytes
    m: bytes


@dataclass(frozen=True, slots=True)
class ChainEntry:
    """What a link binds. `body` is bytes, so that checking never depends on a serialiser."""

    seq: int
    ts_us: int
    event: str
    account_ref: str
    key_ref: str
    actor: str
    body: bytes


@dataclass(frozen=True, repr=False)
class Chain:
    """One epoch of one store's chain."""

    store_id: bytes
    epoch: int
    key: bytes

    @cached_property
    def prefix(self) -> bytes:
        """What every hash of the epoch begins with."""
        return pack(CONTEXT, "audit-h", self.store_id, self.epoch)

    def genesis(self, previous_h: bytes = b"") -> Link:
        """Return the link before the first entry; `previous_h` is the head of the epoch before."""
        h = digest(pack(CONTEXT, "audit-genesis", self.store_id, self.epoch, previous_h))
        return Link(h, mac(self.key, "audit-m", h, b""))

    def next_link(self, previous: Link, entry: ChainEntry) -> Link:
        """Return the link of `entry`, which comes right after `previous`."""
        h = digest(
            # packed lists can be joined: what never changes comes first, and is packed once
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
        """Return the MAC of an entry whose hash is `h`, right after `previous`."""
        return mac(self.key, "audit-m", h, previous.m)


def derive_chain(root: bytes, store_id: bytes, epoch: int) -> Chain:
    """Return the chain whose key is derived from the root key."""
    return Chain(store_id, epoch, subkey(root, "audit-mac", epoch))
