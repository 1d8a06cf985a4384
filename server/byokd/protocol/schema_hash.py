"""The hash of the committed `schema.json`, which `initialize` tells so that a client can compare.

Generated: a constant costs nothing on the way to `initialize`. Knows nothing else.
"""

from typing import Final

SCHEMA_HASH: Final = "sha256:8cc5d53be1dbf15ad2259019dc4761b46730f3480ac17a9e3dbea1e52985b4ff"
