"""The audit trail: what happened to the keys, in an order that nobody can change unseen.

Knows nothing by itself; it is the door to its modules:

    trail    Audit: append, page, verify
    check    the walk along the chain, and the comparison with the tables
    anchor   where the chain ended, kept apart from the store
"""

from __future__ import annotations

from byokd.audit.log import AuditLog

__all__ = ["AuditLog"]
