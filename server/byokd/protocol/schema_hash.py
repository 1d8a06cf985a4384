"""The hash of the committed `schema.json`. Generated, so that `initialize` need not compute it."""

from typing import Final

SCHEMA_HASH: Final = "sha256:723b27c42f6b61e4d9c0862ab801fa134e190bcd2feeab5fe1a6f31742b622da"
