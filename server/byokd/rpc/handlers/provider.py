"""`provider/…`. Knows nothing but whom to ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from byokd.protocol.diagnosis import ProviderTestParams, ProviderTestResult
    from byokd.protocol.provider import ProviderListParams, ProviderListResult
    from byokd.rpc.handlers.call import Call


async def list_(call: Call, params: ProviderListParams) -> ProviderListResult:
    """`provider/list`: answered from package data, before anything heavy is open."""
    return call.house.providers.list(call.session, params)


async def test(call: Call, params: ProviderTestParams) -> ProviderTestResult:
    """`provider/test`."""
    return await (await call.rooms()).doctor.test(call.session, params)
