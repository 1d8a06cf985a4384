"""The hash of the committed `schema.json`. Generated, so that `initialize` need not compute it."""

from typing import Final

SCHEMA_HASH: Final = "sha256:88a4ed214f6e93a625de94fc65d54ad3b84510cbc33e911a849a147a25d49022"
