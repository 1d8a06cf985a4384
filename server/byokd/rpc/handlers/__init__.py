"""One thin function per method, grouped by resource."""
