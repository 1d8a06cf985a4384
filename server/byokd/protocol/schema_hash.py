"""The hash of the committed `schema.json`. Generated, so that `initialize` need not compute it."""

from typing import Final

SCHEMA_HASH: Final = "sha256:3dd86bc7f2f950067d48d54f7b69913ce8fbc5ba0bb5d4f79ce3a4e5e0d6713d"
