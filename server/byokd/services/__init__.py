"""Decisions over time."""
