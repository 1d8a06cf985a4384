"""`audit/…`: what happened to the keys, in order, and whether the record is whole.

Knows the shape of an entry. No entry carries a key, a prompt or a provider's words.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from byokd.protocol.base import AtMs, JsonObject, KeyId, PageParams, Params, Result, Value

AuditFault: TypeAlias = Literal["mac", "gap", "order", "truncated", "foreignStore", "tables"]


class AuditEntry(Value):
    """One event. Order is `seq`; `at` is the wall clock, for people."""

    seq: int
    at: AtMs
    event: str
    provider: str | None
    key_id: str | None
    actor: str
    details: JsonObject


class AuditListParams(PageParams):
    """List this account's entries, newest first."""

    key_id: KeyId | None = None


class AuditListResult(Result):
    """A page of entries."""

    items: tuple[AuditEntry, ...]
    next_cursor: str | None


class AuditVerifyParams(Params):
    """Check the whole chain and the tables against it."""


class AuditVerifyResult(Result):
    """Whether the record is whole; where it is not, the first bad entry and how."""

    ok: bool
    entries: int
    first_bad_seq: int | None
    fault: AuditFault | None
    message: str
