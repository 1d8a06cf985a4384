"""A provider simulator on loopback, over real HTTP."""
