"""`key/…`. Knows nothing but whom to ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from byokd.protocol.key import (
        KeyDeleteResult,
        KeyEnableParams,
        KeyEnableResult,
        KeyIdParams,
        KeyListParams,
        KeyListResult,
        KeyProbeParams,
        KeyProbeResult,
        KeyResult,
        KeyRotateParams,
        KeyStoreParams,
        KeyStoreResult,
    )
    from byokd.protocol.transfer import (
        KeyExportParams,
        KeyExportResult,
        KeyImportParams,
        KeyImportResult,
    )
    from byokd.rpc.handlers.call import Call


async def store(call: Call, params: KeyStoreParams) -> KeyStoreResult:
    """`key/store`."""
    return await (await call.rooms()).keys.store(call.session, params)


async def rotate(call: Call, params: KeyRotateParams) -> KeyStoreResult:
    """`key/rotate`."""
    return await (await call.rooms()).keys.rotate(call.session, params)


async def list_(call: Call, params: KeyListParams) -> KeyListResult:
    """`key/list`."""
    return await (await call.rooms()).keys.list(call.session, params)


async def probe(call: Call, params: KeyProbeParams) -> KeyProbeResult:
    """`key/probe`."""
    return await (await call.rooms()).keys.probe(call.session, params)


async def disable(call: Call, params: KeyIdParams) -> KeyResult:
    """`key/disable`."""
    return await (await call.rooms()).keys.disable(call.session, params)


async def enable(call: Call, params: KeyEnableParams) -> KeyEnableResult:
    """`key/enable`."""
    return await (await call.rooms()).keys.enable(call.session, params)


async def delete(call: Call, params: KeyIdParams) -> KeyDeleteResult:
    """`key/delete`."""
    return await (await call.rooms()).keys.delete(call.session, params)


async def set_default(call: Call, params: KeyIdParams) -> KeyResult:
    """`key/setDefault`."""
    return await (await call.rooms()).keys.set_default(call.session, params)


async def import_(call: Call, params: KeyImportParams) -> KeyImportResult:
    """`key/import`."""
    return await (await call.rooms()).imports.import_(call.session, params)


async def export(call: Call, params: KeyExportParams) -> KeyExportResult:
    """`key/export`."""
    return await (await call.rooms()).exports.export(call.session, params)
