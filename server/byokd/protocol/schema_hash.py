"""The hash of the committed `schema.json`. Generated, so that `initialize` need not compute it."""

from typing import Final

SCHEMA_HASH: Final = "sha256:a1a6b9e6b8f140b2e6b671542a43d445635533c77bcfcfd1ae7165526a373c7a"
