"""The audit log: what happened to the keys, as a chain of entries that detects every change.

    log       AuditLog: append, page, verify
    check     walks the chain and compares it with the tables
    export    pages of the chain for use outside of the store, and their verification
    anchor    where the chain ended, stored apart from the store
    rollback  refuses a store that is older than its anchor
    events    the events and details that an entry may contain

To add an event: its name in `events`, the service that appends it, a test.
"""

from __future__ import annotations

from byokd.audit.log import AuditLog

__all__ = ["AuditLog"]
