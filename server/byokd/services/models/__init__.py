"""Lists models."""
