"""The audit log: what happened to the keys, as a chain of entries that reveals every change.

To add an event: its name in `events`, the service that appends it, a test.
"""

from __future__ import annotations

from byokd.audit.log import AuditLog

__all__ = ["AuditLog"]
