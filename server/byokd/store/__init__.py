"""The only database."""
