"""What must be true on disk."""
