"""The hash of the committed `schema.json`. Generated, so that `initialize` need not compute it."""

from typing import Final

SCHEMA_HASH: Final = "sha256:6bbc9470f7a570e64d9e00a9109e71547908d0119a6003e9d59c8dbeea3cdbb2"
