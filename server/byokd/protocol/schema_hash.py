"""The hash of the committed `schema.json`. Generated, so that `initialize` need not compute it."""

from typing import Final

SCHEMA_HASH: Final = "sha256:b6daf5c7f8b161f84f039a1b1f7ea65c26bfedb43b27c834830c5062dd10283c"
