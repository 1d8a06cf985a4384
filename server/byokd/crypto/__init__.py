"""Sealing, key derivation, MACs and the audit chain: the only package that imports cryptography."""
