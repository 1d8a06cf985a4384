"""The hash of the committed `schema.json`. Generated, so that `initialize` need not compute it."""

from typing import Final

SCHEMA_HASH: Final = "sha256:a787f7e9f3b02d1d0800baea49242e79cc9d56873cb88fca0d90aaaca58b54d7"
