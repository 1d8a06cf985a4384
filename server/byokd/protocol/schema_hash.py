"""The hash of the committed `schema.json`. Generated, so that `initialize` need not compute it."""

from typing import Final

SCHEMA_HASH: Final = "sha256:e0fad758fc7b587198e2166848629e65194014f5bc962aab853180a8cb426f08"
