"""Removes secrets and control characters from text."""
