"""Fetches, merges and caches the model lists of providers."""
