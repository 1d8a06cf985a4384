"""The hash of the committed `schema.json`, which `initialize` tells so that a client can compare.

Generated: a constant costs nothing on the way to `initialize`. Knows nothing else.
"""

from typing import Final

SCHEMA_HASH: Final = "sha256:bb5ece39677386b1f2642465854463d25ea0c46eb89983dc9acd71e3e4b72634"
