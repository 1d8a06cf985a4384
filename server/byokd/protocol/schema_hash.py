"""The hash of the committed `schema.json`. Generated, so that `initialize` need not compute it."""

from typing import Final

SCHEMA_HASH: Final = "sha256:6c4fde6b47ef6a5a8c1eada6fedef219cbc462f7df643e09915349a129c9744f"
