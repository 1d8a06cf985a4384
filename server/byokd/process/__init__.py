"""The process itself: its environment variables and its hardening."""
