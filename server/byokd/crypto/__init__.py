"""The only importer of the cryptography library."""
