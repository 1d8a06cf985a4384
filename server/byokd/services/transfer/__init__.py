"""Imports keys from variables and files, and exports them to an encrypted file."""
