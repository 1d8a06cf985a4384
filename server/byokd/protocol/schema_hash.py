"""The hash of the committed `schema.json`, which `initialize` tells so that a client can compare.

Generated: a constant costs nothing on the way to `initialize`. Knows nothing else.
"""

from typing import Final

SCHEMA_HASH: Final = "sha256:f3615e40ab28527e4623342ab4f95696eb0f47130d0c41267e90981f719bac4c"
