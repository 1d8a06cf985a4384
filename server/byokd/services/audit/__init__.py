"""Records, verifies and maintains the audit log, and counts the uses of keys."""
