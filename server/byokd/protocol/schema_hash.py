"""The hash of the committed `schema.json`, which `initialize` tells so that a client can compare.

Generated: a constant costs nothing on the way to `initialize`. Knows nothing else.
"""

from typing import Final

SCHEMA_HASH: Final = "sha256:30aa7b2a5afe71d3fc8383318df52446b6fdbdb117f4ff8b690dee233c044238"
