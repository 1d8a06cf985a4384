"""The hash of the committed `schema.json`. Generated, so that `initialize` need not compute it."""

from typing import Final

SCHEMA_HASH: Final = "sha256:0ab2ec1d50c99d547668c63e266a7813979f466453a60dd9d74986e2c5b3d276"
