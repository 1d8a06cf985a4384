"""Disables keys that their provider keeps rejecting."""
