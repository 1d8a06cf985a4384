"""The hash of the committed `schema.json`, which `initialize` tells so that a client can compare.

Generated: a constant costs nothing on the way to `initialize`. Knows nothing else.
"""

from typing import Final

SCHEMA_HASH: Final = "sha256:d71319f8470e5364c4271fee0b8702b8f316fd22fb2adda657db6cfe5eb117bc"
