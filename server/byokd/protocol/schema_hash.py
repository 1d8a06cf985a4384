"""The hash of the committed `schema.json`. Generated, so that `initialize` need not compute it."""

from typing import Final

SCHEMA_HASH: Final = "sha256:1e7530d0903889052d941be53d9d7c8462bde04104866bba34780d84c08cfc03"
