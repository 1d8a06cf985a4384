"""The hash of the committed `schema.json`, which `initialize` tells so that a client can compare.

Generated: a constant costs nothing on the way to `initialize`. Knows nothing else.
"""

from typing import Final

SCHEMA_HASH: Final = "sha256:47a17972a50b7bb49f1eded01cade6bfcf5d9e3b1c59d361d57bc520612aee94"
