"""The hash of the committed `schema.json`. Generated, so that `initialize` need not compute it."""

from typing import Final

SCHEMA_HASH: Final = "sha256:c67cb468e70d6f1106268e5810e94c3d2c3cc455eeb1fe7e0d0a02d7aaa3b922"
