"""The hash of the committed `schema.json`, which `initialize` tells so that a client can compare.

Generated: a constant costs nothing on the way to `initialize`. Knows nothing else.
"""

from typing import Final

SCHEMA_HASH: Final = "sha256:f08b6aabe0e018fc10ba2709f77d8a5cf77220297d25ed52654dd5bd14c4d794"
