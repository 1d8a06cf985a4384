"""Splits response bodies into frames."""
