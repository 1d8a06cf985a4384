"""Splits response bodies into frames: SSE, JSON lines, JSON arrays, AWS event streams."""
