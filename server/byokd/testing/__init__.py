"""The daemon with a short health policy, for the demo and the tests."""
