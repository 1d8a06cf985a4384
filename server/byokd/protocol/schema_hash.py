"""The hash of the committed `schema.json`, which `initialize` tells so that a client can compare.

Generated: a constant costs nothing on the way to `initialize`. Knows nothing else.
"""

from typing import Final

SCHEMA_HASH: Final = "sha256:f83b6dedd4548612d3a65c4fd566772b7e14b65221e2f707bb8556b954c6805a"
