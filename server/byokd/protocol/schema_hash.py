"""The hash of the committed `schema.json`. Generated, so that `initialize` need not compute it."""

from typing import Final

SCHEMA_HASH: Final = "sha256:ee084dd009d961b93888ca2e878d36ad7885e644fa716e937f9cdc46833eb2e5"
