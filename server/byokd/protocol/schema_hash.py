"""The hash of the committed `schema.json`, which `initialize` tells so that a client can compare.

Generated: a constant costs nothing on the way to `initialize`. Knows nothing else.
"""

from typing import Final

SCHEMA_HASH: Final = "sha256:ef18e3dae907c464306d4815fe4b9c5c0f901da3a7dffbccd3b07ebbaec3faa8"
