"""The hash of the committed `schema.json`. Generated, so that `initialize` need not compute it."""

from typing import Final

SCHEMA_HASH: Final = "sha256:6c4dd5ac7ac86430d078a2a5ad50f6623a1e1958a9463aa9a20a44d28f2a9000"
