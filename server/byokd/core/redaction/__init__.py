"""Removes secrets and control characters from text that leaves the process."""
