"""The hash of the committed `schema.json`, which `initialize` tells so that a client can compare.

Generated: a constant costs nothing on the way to `initialize`. Knows nothing else.
"""

from typing import Final

SCHEMA_HASH: Final = "sha256:6c9da9f6104c49ae0419eb9ae9454de58f62cc1b52ef9d7ecfb130a7e5f914a4"
