"""Disables keys that their provider keeps rejecting, and asks the person about them."""
