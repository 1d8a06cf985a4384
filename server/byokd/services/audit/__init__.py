"""Records, verifies and maintains the audit log; counts uses of keys."""
