"""The hash of the committed `schema.json`. Generated, so that `initialize` need not compute it."""

from typing import Final

SCHEMA_HASH: Final = "sha256:8df554f7372076f872ec60a6669686c3bce023453b11c554575ff27e901fb28b"
