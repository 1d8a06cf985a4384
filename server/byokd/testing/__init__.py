"""The daemon for the demo and the tests."""
