"""A small server on loopback that sends exactly the bytes that a test gives it.

It reads just enough HTTP/1.1 for a request and uses no HTTP library, because the tests send bytes
that a library would never send.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import pytest

from byokd.transport.http import HttpTransport

Step: TypeAlias = bytes | asyncio.Event | Literal["hang", "reset", "close", "deaf", "eager"]
"""Bytes to send; an event to wait for; `hang` until the client leaves; `reset` or `close` the
connection; `deaf`: never read; `eager`: send before the request is read."""


@dataclass
class Upstream:
    """A running server and what it has received.

    `reached` is set at `hang`, `gone` when a connection has ended.
    """

    port: int
    scheme: str = "http"
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    errors: list[BaseException] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/v1"


Serve: TypeAlias = Callable[..., AbstractAsyncContextManager[Upstream]]


@pytest.fixture
def serve() -> Serve:
    """Return what starts a server: `async with serve(step, …) as upstream`."""
    return _serve


@pytest.fixture
async def transport() -> AsyncIterator[HttpTransport]:
    transport = HttpTransport()
    yield transport
    await transport.aclose()


@asynccontextmanager
async def _serve(*steps: Step, tls: ssl.SSLContext | None = None) -> AsyncIterator[Upstream]:
    upstream = Upstream(0, "https" if tls else "http")
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        upstream.connections += 1
        try:
            await _converse(upstream, steps, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            upstream.gone.set()
            writer.transport.abort()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _converse(
    upstream: Upstream,
    steps: tuple[Step, ...],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    while True:
        if "deaf" in steps:
            await _never_read(writer)
        if "eager" not in steps:
            upstream.requests.append(await _read_request(reader))
        for step in steps:
            match step:
                case bytes():
                    writer.write(step)
                    await writer.drain()
                case asyncio.Event():
                    await step.wait()
                case "hang":
                    upstream.reached.set()
                    await _until_gone(reader, writer)
                    return
                case "reset":
                    _reset(writer)
                    return
                case "close":
                    return


async def _never_read(writer: asyncio.StreamWriter) -> None:
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    await asyncio.Event().wait()


class _Discard(asyncio.Protocol):
    def __init__(self) -> None:
        self.closed = asyncio.Event()

    def connection_lost(self, _exc: Exception | None) -> None:
        self.closed.set()


async def _until_gone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Wait until the TCP connection ends; a TLS goodbye is not answered."""
    if writer.get_extra_info("sslcontext") is None:
        while await reader.read(65536):
            pass
        return
    discard = _Discard()
    writer.transport._ssl_protocol._transport.set_protocol(discard)  # type: ignore[attr-defined]
    await discard.closed.wait()


async def _read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    ]
    return head + (await reader.readexactly(lengths[0]) if lengths else b"")


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
