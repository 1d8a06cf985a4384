"""The requests of the contract, for tests that look at every one of them."""

from __future__ import annotations

from typing import Final

from byokd.protocol.methods import METHODS

REQUESTS: Final = tuple(method for method in METHODS if method.direction == "request")
