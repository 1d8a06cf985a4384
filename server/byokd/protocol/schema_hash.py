"""The hash of the committed `schema.json`, which `initialize` tells so that a client can compare.

Generated: a constant costs nothing on the way to `initialize`. Knows nothing else.
"""

from typing import Final

SCHEMA_HASH: Final = "sha256:222fda4ce52c64c1296edad8f41decb6f4bc97ec7039bfd1ba9292506c1f5be6"
