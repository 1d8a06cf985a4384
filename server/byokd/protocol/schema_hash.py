"""The hash of the committed `schema.json`, which `initialize` tells so that a client can compare.

Generated: a constant costs nothing on the way to `initialize`. Knows nothing else.
"""

from typing import Final

SCHEMA_HASH: Final = "sha256:893c77380768aafea902ed0ecd8669fbcf8ff08e79722544d90d3d54a5ff7a73"
