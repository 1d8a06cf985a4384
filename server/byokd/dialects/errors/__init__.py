"""Reads provider errors: their body, their meaning, and what a retry may change."""
