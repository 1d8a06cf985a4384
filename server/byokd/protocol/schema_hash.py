"""The hash of the committed `schema.json`. Generated, so that `initialize` need not compute it."""

from typing import Final

SCHEMA_HASH: Final = "sha256:bdaf50556df39a95bebd89eb4bd007ccd2de7ff87fc2fdd980e6ac8915c84b1d"
