"""The hash of the committed `schema.json`. Generated, so that `initialize` need not compute it."""

from typing import Final

SCHEMA_HASH: Final = "sha256:f5e3eabff68782fc997e032663c27cb78bba03bb4927cdd3ceadc60826834501"
