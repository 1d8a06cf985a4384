"""Imports and exports keys."""
