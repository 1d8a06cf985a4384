"""The hash of the committed `schema.json`. Generated, so that `initialize` need not compute it."""

from typing import Final

SCHEMA_HASH: Final = "sha256:80751fa2246a585b15670b3c8314ed68866a03870769c12de27c2ab109bbdd48"
