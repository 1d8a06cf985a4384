"""The server: JSON-RPC over stdio."""
