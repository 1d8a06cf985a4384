"""The hash of the committed `schema.json`. Generated, so that `initialize` need not compute it."""

from typing import Final

SCHEMA_HASH: Final = "sha256:4b8fa3c8b8ee9442026294f20d3b8481be9601ce7fedb2f0b40322bd67a87753"
