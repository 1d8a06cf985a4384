"""Reads provider errors."""
