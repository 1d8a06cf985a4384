"""The hash of the committed `schema.json`, which `initialize` tells so that a client can compare.

Generated: a constant costs nothing on the way to `initialize`. Knows nothing else.
"""

from typing import Final

SCHEMA_HASH: Final = "sha256:b8f6766a76e60f2924bcf944d32c7bf52cb82468597f7bf918e7eade8962d2e7"
