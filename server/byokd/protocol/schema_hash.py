"""The hash of the committed `schema.json`. Generated, so that `initialize` need not compute it."""

from typing import Final

SCHEMA_HASH: Final = "sha256:be13abe86a7deb1d359ff5a8cc12031500ef2100048e9097d2e08f10b55b55f8"
