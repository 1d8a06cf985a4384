"""What every dialect shares: the values of a call, content blocks, tool pairing, URLs, auth."""
