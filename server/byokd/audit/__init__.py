"""The audit log: what happened to the keys, as a chain of entries that reveals every change."""

from __future__ import annotations

from byokd.audit.log import AuditLog

__all__ = ["AuditLog"]
