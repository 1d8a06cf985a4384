"""Stores, lists, probes and deletes keys, and opens them for requests."""
