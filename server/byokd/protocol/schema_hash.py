"""The hash of the committed `schema.json`, which `initialize` tells so that a client can compare.

Generated: a constant costs nothing on the way to `initialize`. Knows nothing else.
"""

from typing import Final

SCHEMA_HASH: Final = "sha256:e4b29197f30b6a63bd7e1e0746f2bf0f843c8d871eac4688838c80aadf8809ec"
