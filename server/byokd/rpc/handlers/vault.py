"""`vault/…`. Knows nothing but whom to ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from byokd.protocol.backup import VaultRestoreParams, VaultRestoreResult
    from byokd.protocol.vault import (
        VaultInitializeParams,
        VaultInitializeResult,
        VaultLockParams,
        VaultRekeyParams,
        VaultRekeyResult,
        VaultResult,
        VaultStatusParams,
        VaultUnlockParams,
    )
    from byokd.rpc.handlers.call import Call


async def status(call: Call, params: VaultStatusParams) -> VaultResult:
    """`vault/status`."""
    return await (await call.rooms()).vault.status(call.session, params)


async def initialize(call: Call, params: VaultInitializeParams) -> VaultInitializeResult:
    """`vault/initialize`."""
    return await (await call.rooms()).vault.initialize(call.session, params)


async def unlock(call: Call, params: VaultUnlockParams) -> VaultResult:
    """`vault/unlock`."""
    return await (await call.rooms()).vault.unlock(call.session, params)


async def lock(call: Call, params: VaultLockParams) -> VaultResult:
    """`vault/lock`."""
    return await (await call.rooms()).vault.lock(call.session, params)


async def restore(call: Call, params: VaultRestoreParams) -> VaultRestoreResult:
    """`vault/restore`."""
    return await (await call.rooms()).backups.restore(call.session, params)


async def rekey(call: Call, params: VaultRekeyParams) -> VaultRekeyResult:
    """`vault/rekey`."""
    return await (await call.rooms()).rekeying.change(call.session, params)
