"""Decides when a key is taken out of use, and asks the person about it."""
