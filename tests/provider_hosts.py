"""The providers' own hosts on loopback: the sandbox behind a proxy that terminates TLS.

A daemon that is configured with the proxy and the authority's file sends what is for
`api.anthropic.com` to the sandbox. The models have the names of real ones, so that a client shows
what the catalog knows of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import ClientSession, web
from pydantic_core import from_json, to_json

from authority import Authority
from byokd.catalog.loader import load
from byokd.sandbox.server import Sandbox

BEHAVIOURS = {
    "claude-opus-5-5": "agent-3",
    "claude-sonnet-5-5": "paced-20hz-2000",
    "claude-haiku-5-5": "citations",
}
"""Which model of the sandbox answers for a name; for all others the one that reasons."""

RECORD = "requests.jsonl"
_USUAL = "reasoning"
_LISTED = "-sandbox-agent"  # the sandbox lists each family of today's models with it
_CHUNK_BYTES = 65536
_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "accept-encoding"}
)
_MODEL = re.compile(rb'("model" ?: ?")([^"]+)"')


def provider_of_host() -> dict[str, str]:
    """Return the provider of each host that is the same for everybody."""
    hosts = {
        urlsplit(record.base_url or "").hostname or "": provider
        for provider, record in load().items()
    }
    return {host: provider for host, provider in hosts.items() if "." in host and "{" not in host}


class ProviderHosts:
    """What a daemon's configuration names: the proxy's address and the authority's file."""

    def __init__(self, proxy: str, authority_file: Path) -> None:
        self.proxy = proxy
        self.authority_file = authority_file

    def config_toml(self) -> str:
        return f'[network]\nproxy = "{self.proxy}"\nextra_ca_file = "{self.authority_file}"\n'


@asynccontextmanager
async def provider_hosts(sandbox: Sandbox, folder: Path) -> AsyncIterator[ProviderHosts]:
    """Serve the hosts until the end of the context.

    `folder` gets the authority's file, and `RECORD`: each request as a line of JSON, without its
    headers, and one more with `left` if the client left before the end of the answer.
    """
    providers, authority = provider_of_host(), Authority(folder)
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(ClientSession(auto_decompress=False))
        relay = _Relay(sandbox.origin, providers, session, folder / RECORD)
        runner = web.ServerRunner(web.Server(relay.answer, access_log=None), shutdown_timeout=0.1)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        tls = authority.server(names=sorted(providers))
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        port = runner.addresses[0][1]
        tunnels = await asyncio.start_server(
            lambda reader, writer: _tunnel(reader, writer, port, providers), "127.0.0.1", 0
        )
        stack.callback(tunnels.close)
        address = tunnels.sockets[0].getsockname()
        yield ProviderHosts(f"http://127.0.0.1:{address[1]}", authority.file)


class _Relay:
    """Sends the requests of each host to the sandbox's path of its provider."""

    def __init__(
        self, origin: str, providers: dict[str, str], session: ClientSession, record: Path
    ) -> None:
        self._origin, self._providers, self._session = origin, providers, session
        self._record = record

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        provider = self._providers.get(request.url.host or "")
        if provider is None:
            return web.Response(status=421)
        received = await request.content.read()
        self._append(provider, request, received)
        body = _MODEL.sub(_with_behaviour, received)
        url = f"{self._origin}/as/{provider}{request.path_qs}"
        async with self._session.request(
            request.method, url, data=body, headers=_kept(request.headers)
        ) as upstream:
            response = web.StreamResponse(status=upstream.status, headers=_kept(upstream.headers))
            if request.method == "GET" and upstream.ok:
                return web.Response(
                    body=_with_real_names(await upstream.read()), headers=response.headers
                )
            await response.prepare(request)
            try:
                async for piece in upstream.content.iter_any():
                    await response.write(piece)
            except ConnectionError:
                self._append(provider, request, b"", left=True)
                raise
            return response

    def _append(
        self, provider: str, request: web.BaseRequest, body: bytes, *, left: bool = False
    ) -> None:
        head = {"provider": provider, "method": request.method, "path": request.path_qs}
        line = {**head, "left": left, "body": from_json(body) if body else None}
        with self._record.open("ab") as file:
            file.write(to_json(line) + b"\n")


def _kept(headers: Any) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _HOP_BY_HOP}


def _with_behaviour(match: re.Match[bytes]) -> bytes:
    model = match[2].decode()
    return match[1] + f'{model}-sandbox-{BEHAVIOURS.get(model, _USUAL)}"'.encode()


def _with_real_names(body: bytes) -> bytes:
    """Keep the models of a list that have a real name, and remove the sandbox's part of it."""
    answer = from_json(body)
    for field, items in answer.items() if isinstance(answer, dict) else ():
        if isinstance(items, list):
            answer[field] = [_named(item) for item in items if _LISTED in to_json(item).decode()]
    return to_json(answer)


def _named(item: Any) -> Any:
    """Remove the sandbox's part of each name; a name for people becomes like "Claude Opus 5.5"."""
    item = from_json(to_json(item).replace(_LISTED.encode(), b""))
    if isinstance(item, dict) and "display_name" in item:
        words = re.sub(r"(?<=\d)-(?=\d)", ".", item["display_name"]).split("-")
        item["display_name"] = " ".join(word.capitalize() for word in words)
    return item


async def _tunnel(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    port: int,
    providers: dict[str, str],
) -> None:
    """Answer `CONNECT host:443` with a connection to the TLS server, if the host is known."""
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        words = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split()
        if words[0] != "CONNECT" or words[1].rpartition(":")[0] not in providers:
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n")
            await writer.drain()
        else:
            inward, outward = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            await asyncio.gather(_pipe(reader, outward), _pipe(inward, writer))
    writer.close()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(_CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
    writer.close()
