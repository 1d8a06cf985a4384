"""`model/…`. Knows nothing but whom to ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from byokd.protocol.model import (
        ModelListParams,
        ModelListResult,
        ModelRefreshParams,
        ModelRefreshResult,
    )
    from byokd.rpc.handlers.call import Call


async def list_(call: Call, params: ModelListParams) -> ModelListResult:
    """`model/list`."""
    return await (await call.rooms()).models.list(call.session, params)


async def refresh(call: Call, params: ModelRefreshParams) -> ModelRefreshResult:
    """`model/refresh`."""
    return await (await call.rooms()).models.refresh(call.session, params)
