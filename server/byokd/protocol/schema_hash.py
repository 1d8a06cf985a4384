"""The hash of the committed `schema.json`. Generated, so that `initialize` need not compute it."""

from typing import Final

SCHEMA_HASH: Final = "sha256:530aa643bfb80d796966896ee20e93dc932e8ed3484805210e7bed741413cb39"
