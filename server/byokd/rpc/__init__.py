"""The door: JSON-RPC in, events out."""
