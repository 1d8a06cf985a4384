"""`account/…`. Knows nothing but whom to ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from byokd.protocol.account import (
        AccountDeleteParams,
        AccountDeleteResult,
        AccountListParams,
        AccountListResult,
    )
    from byokd.rpc.handlers.call import Call


async def list_(call: Call, params: AccountListParams) -> AccountListResult:
    """`account/list`."""
    return await (await call.rooms()).accounts.list(call.session, params)


async def delete(call: Call, params: AccountDeleteParams) -> AccountDeleteResult:
    """`account/delete`."""
    return await (await call.rooms()).accounts.delete(call.session, params)
