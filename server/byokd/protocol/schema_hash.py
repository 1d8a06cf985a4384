"""The hash of the committed `schema.json`. Generated, so that `initialize` need not compute it."""

from typing import Final

SCHEMA_HASH: Final = "sha256:f84ac03e0f4e98240e9ae7473ce53c8c65b11cf9867c1216a19203eb1e761bea"
