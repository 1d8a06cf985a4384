"""Every word for people."""
