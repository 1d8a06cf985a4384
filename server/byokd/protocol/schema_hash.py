"""The hash of the committed `schema.json`. Generated, so that `initialize` need not compute it."""

from typing import Final

SCHEMA_HASH: Final = "sha256:2bc370e80c9e8eaa9ce29e67daeb54247762bf40beea1f4a1618a343b9d33306"
