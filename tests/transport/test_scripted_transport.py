"""The scripted transport follows the rules of the real one."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from byokd.core.http import Headers, HttpRequest
from byokd.protocol.errors import (
    NetworkFailed,
    ProviderError,
    ProviderRedirect,
    StreamInterrupted,
)
from byokd.transport.interface import Transport
from scripted_transport import CannedResponse, ScriptedTransport
from waits import WAIT_MAX_S

pytestmark = pytest.mark.anyio
REQUEST = HttpRequest("POST", "https://a.test/v1", Headers([("authorization", "Bearer x")]), b"{}")


async def test_responses_come_in_order_and_requests_are_recorded() -> None:
    scripted = ScriptedTransport(
        [CannedResponse(200, {"a": "b"}, (b"one", b"two")), CannedResponse(401)]
    )
    transport: Transport = scripted
    response = await transport.send(REQUEST, fresh=True)
    assert (response.status, response.body, response.headers.get("a")) == (200, b"onetwo", "b")
    assert (await transport.send(REQUEST)).status == 401
    first, second = scripted.requests
    assert (first.url, first.body, first.fresh, second.fresh) == (REQUEST.url, b"{}", True, False)
    assert first.header_names == ("authorization",)
    assert first.headers is None
    assert "Bearer" not in repr(scripted.requests)
    with pytest.raises(AssertionError, match="no response left"):
        await transport.send(REQUEST)
    await transport.aclose()
    assert scripted.is_closed


async def test_header_values_are_recorded_on_request() -> None:
    transport = ScriptedTransport(lambda _: CannedResponse(), keep_headers=True)
    await transport.send(REQUEST)
    assert transport.requests[0].headers == REQUEST.headers


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (NetworkFailed("gone", details={"reason": "dns"}), NetworkFailed),
        (CannedResponse(302, {"location": "https://b.test"}), ProviderRedirect),
        (CannedResponse(200, {"content-encoding": "gzip"}), ProviderError),
        (CannedResponse(200, {}, (b"a", StreamInterrupted("cut"))), StreamInterrupted),
        (CannedResponse(200, {}, (b"12345", b"6")), ProviderError),
    ],
)
async def test_canned_failures_are_raised(script: CannedResponse, error: type[Exception]) -> None:
    with pytest.raises(error):
        await ScriptedTransport([script]).send(REQUEST, body_max_bytes=5)


async def test_event_holds_the_stream_open() -> None:
    never = anyio.Event()
    transport = ScriptedTransport([CannedResponse(200, {}, (b"a", never))])
    chunks = []

    async def read() -> None:
        async with transport.stream(REQUEST) as stream:
            async for chunk in stream.chunks():
                chunks.append(chunk)  # noqa: PERF401  # what came before the cancel counts

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        with anyio.fail_after(WAIT_MAX_S):
            while not chunks:
                await anyio.lowlevel.checkpoint()
        assert transport.closed == 0
        tasks.cancel_scope.cancel()
    assert (chunks, transport.closed) == ([b"a"], 1)
