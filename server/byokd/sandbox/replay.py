"""Serves recorded answers over HTTP on loopback.

A recording is `<provider>/<name>/request.json`, `response.json` and `body.bin`. Every request to
`/<provider>/<name>/…` gets that recording.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from aiohttp import web
from pydantic_core import from_json

from byokd.sandbox.server import RecordedRequest
from byokd.sandbox.turn import JsonObject

# Headers of the recorded connection, not of the decoded body that is served.
_HOP_BY_HOP: Final = frozenset(
    {
        "content-encoding", "content-length", "transfer-encoding", "connection", "keep-alive",
        "trailer", "upgrade", "te", "proxy-authenticate", "proxy-connection",
    }
)  # fmt: skip
_STREAM_TYPES: Final = ("text/event-stream", "application/vnd.amazon.eventstream", "ndjson")


@dataclass(frozen=True, slots=True)
class Recording:
    method: str
    path: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    chunk_sizes: tuple[int, ...]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Raise `OSError` for a missing file, `ValueError` for one that cannot be parsed."""
        request: JsonObject = from_json((folder / "request.json").read_bytes())
        response: JsonObject = from_json((folder / "response.json").read_bytes())
        return cls(
            method=request["method"],
            path=request["path"],
            status=response["status"],
            headers=tuple(
                (name, value)
                for name, value in response["headers"].items()
                if name.lower() not in _HOP_BY_HOP
            ),
            body=(folder / "body.bin").read_bytes(),
            chunk_sizes=tuple(response.get("chunk_sizes") or ()),
        )

    @property
    def streams(self) -> bool:
        """Whether the answer was streamed; others are sent with their length."""
        kinds = [value for name, value in self.headers if name.lower() == "content-type"]
        return bool(self.chunk_sizes) or any(
            kind in value for value in kinds for kind in _STREAM_TYPES
        )

    def chunks(self) -> Iterator[bytes]:
        at = 0
        for size in self.chunk_sizes:
            yield self.body[at : at + size]
            at += size
        if at < len(self.body):
            yield self.body[at:]


class Replay:
    """A server of recordings, as an async context manager.

    `url` has no trailing slash and is set once entered; `port` 0 chooses a free port.
    """

    def __init__(self, root: Path, *, port: int = 0) -> None:
        self._root = root
        self._port = port
        self.url = ""
        self.requests: list[RecordedRequest] = []
        self._runner: web.ServerRunner | None = None

    async def __aenter__(self) -> Self:
        server = web.Server(self._handle, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def base_url(self, provider: str, name: str, suffix: str) -> str:
        """Return the base URL with which a client gets a recording.

        `suffix` is what the client adds to its base URL, such as `/chat/completions`.
        """
        recorded = Recording.read(self._root / provider / name).path.partition("?")[0]
        return f"{self.url}/{provider}/{name}{recorded.removesuffix(suffix)}"

    def recordings(self) -> list[tuple[str, str, str]]:
        """Return name, address and method of each recording."""
        listed = []
        for file in sorted(self._root.glob("*/*/response.json")):
            recording = Recording.read(file.parent)
            name = "/".join(file.parts[-3:-1])
            listed.append((name, f"{self.url}/{name}{recording.path}", recording.method))
        return listed

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.content.read()
        recorded = RecordedRequest(
            method=request.method,
            path=request.path_qs,
            header_names=tuple(name.lower() for name in request.headers),
            credential=request.headers.get("authorization", "").removeprefix("Bearer "),
            body=body,
        )
        self.requests.append(recorded)
        folder = self._folder(request.path)
        if folder is None:
            return web.Response(status=404, text="no such recording")
        recording = await asyncio.to_thread(Recording.read, folder)
        recorded.status = recording.status
        if not recording.streams:
            return web.Response(
                status=recording.status, headers=recording.headers, body=recording.body
            )
        response = web.StreamResponse(status=recording.status, headers=recording.headers)
        await response.prepare(request)
        for chunk in recording.chunks():
            await response.write(chunk)
            await asyncio.sleep(0)  # so that each chunk is a packet of its own if possible
        return response

    def _folder(self, path: str) -> Path | None:
        """Return None for an unknown path; the path is not trusted."""
        match path.split("/"):
            case ["", provider, name, *_] if {provider, name}.isdisjoint({"", ".", ".."}):
                folder = self._root / provider / name
                return folder if (folder / "response.json").is_file() else None
        return None
