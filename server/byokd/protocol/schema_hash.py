"""The hash of the committed `schema.json`, which `initialize` tells so that a client can compare.

Generated: a constant costs nothing on the way to `initialize`. Knows nothing else.
"""

from typing import Final

SCHEMA_HASH: Final = "sha256:31fa9e129398ce6f5ea11659df8a2d8d7fd9dee3c189e561f7f3406838a98806"
