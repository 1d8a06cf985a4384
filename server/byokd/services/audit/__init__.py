"""Reads, verifies and maintains the audit log, and counts uses of keys."""
