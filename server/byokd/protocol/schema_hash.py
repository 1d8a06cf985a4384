"""The hash of the committed `schema.json`. Generated, so that `initialize` need not compute it."""

from typing import Final

SCHEMA_HASH: Final = "sha256:b9fbfe683bf449d3c89b6775f3141f44d3b46e44264306bf2a2d5abd46f18777"
