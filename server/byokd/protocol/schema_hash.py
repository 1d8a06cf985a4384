"""The hash of the committed `schema.json`, which `initialize` tells so that a client can compare.

Generated: a constant costs nothing on the way to `initialize`. Knows nothing else.
"""

from typing import Final

SCHEMA_HASH: Final = "sha256:6897b00a3d9c4bae20a748c8f72e8fb5a78079b858e5db4f274174b217f98145"
