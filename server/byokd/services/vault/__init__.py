"""Vault status, unlock, rekey, backup and restore."""
