"""The hash of the committed `schema.json`, which `initialize` tells so that a client can compare.

Generated: a constant costs nothing on the way to `initialize`. Knows nothing else.
"""

from typing import Final

SCHEMA_HASH: Final = "sha256:ef782d0d2066df5d7309e2478bff3b80dc5da2099ed1887444688794e9b20405"
