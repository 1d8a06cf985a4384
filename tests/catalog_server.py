"""An https server on loopback that offers a catalog file, and a configuration that names it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from authority import Authority
from catalog_file import PUBLIC_KEY

NAME = "catalog.example"


@dataclass
class CatalogServer:
    """Counts connections, and records the head of each request.

    `url` is its address; `status`, `headers` and `body` are what it answers.
    """

    url: str
    authority: Authority
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    status: str = "200 OK"
    headers: str = ""
    body: bytes = b""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests.append(await reader.readuntil(b"\r\n\r\n"))
        head = f"HTTP/1.1 {self.status}\r\ncontent-length: {len(self.body)}\r\n{self.headers}\r\n"
        writer.write(head.encode() + self.body)
        await writer.drain()


@asynccontextmanager
async def catalog_server(folder: Path, body: bytes = b"") -> AsyncIterator[CatalogServer]:
    """Run a server whose certificate is of an authority in the folder."""
    authority = Authority(folder)
    server = CatalogServer("", authority, body=body)

    def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        tasks.add(asyncio.ensure_future(_serve(server, reader, writer)))

    tasks: set[asyncio.Future[None]] = set()
    listener = await asyncio.start_server(count, "127.0.0.1", 0, ssl=authority.server())
    port = listener.sockets[0].getsockname()[1]
    server.url = f"https://127.0.0.1:{port}/byokd.catalog"
    try:
        yield server
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _serve(
    server: CatalogServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    try:
        await server.answer(reader, writer)
        await reader.read()
    except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
        return
    finally:
        writer.close()


def configured(
    folder: Path,
    server: CatalogServer | None = None,
    *,
    refresh: str = "never",
    network: str = "",
    key: str | None = PUBLIC_KEY,
    url: str | None = None,
) -> Path:
    """Write a configuration file that pins the key of the tests; return its path."""
    lines = ["[catalog]", f'refresh = "{refresh}"']
    lines += [f'public_key = "{key}"'] if key else []
    address = url or (server.url if server else None)
    lines += [f'url = "{address}"'] if address else []
    lines.append(f"[network]\n{network}")
    lines += [f'extra_ca_file = "{server.authority.file}"'] if server else []
    path = folder / "config" / "config.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines), encoding="utf-8")
    return path
