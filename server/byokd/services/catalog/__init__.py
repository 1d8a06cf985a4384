"""Refreshing the catalog without a release: on a person's word, signed, data only."""
