"""The hash of the committed `schema.json`, which `initialize` tells so that a client can compare.

Generated: a constant costs nothing on the way to `initialize`. Knows nothing else.
"""

from typing import Final

SCHEMA_HASH: Final = "sha256:00405a7572a692fe2fd16e0f4a7a1e1097b5343de5136d04187cd345d7782043"
