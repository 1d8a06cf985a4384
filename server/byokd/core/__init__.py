"""Values and bounds for all layers: HTTP messages, secrets, limits, settings, redaction."""
