"""`vault/…`. Knows nothing but whom to ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from byokd.protocol.vault import (
        VaultInitializeParams,
        VaultResult,
        VaultStatusParams,
    )
    from byokd.rpc.handlers.call import Call


async def status(call: Call, params: VaultStatusParams) -> VaultResult:
    """`vault/status`."""
    return await (await call.rooms()).vault.status(call.session, params)


async def initialize(call: Call, params: VaultInitializeParams) -> VaultResult:
    """`vault/initialize`."""
    return await (await call.rooms()).vault.initialize(call.session, params)
