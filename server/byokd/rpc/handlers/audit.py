"""`audit/…`. Knows nothing but whom to ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from byokd.protocol.audit import (
        AuditExportParams,
        AuditExportResult,
        AuditListParams,
        AuditListResult,
        AuditVerifyParams,
        AuditVerifyResult,
    )
    from byokd.rpc.handlers.call import Call


async def list_(call: Call, params: AuditListParams) -> AuditListResult:
    """`audit/list`."""
    return await (await call.rooms()).audit.list(call.session, params)


async def verify(call: Call, params: AuditVerifyParams) -> AuditVerifyResult:
    """`audit/verify`."""
    return await (await call.rooms()).audit.verify(call.session, params)


async def export(call: Call, params: AuditExportParams) -> AuditExportResult:
    """`audit/export`."""
    return await (await call.rooms()).audit.export(call.session, params)
