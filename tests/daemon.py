"""Drives the real daemon over its real stdio, as a client would.

Knows framing and JSON-RPC from the outside only: it shares no code with the daemon's own door, so
that a fault there cannot hide here. Must not know what any method means.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
Json = dict[str, Any]

# What a child may inherit: nothing that holds a key, a proxy or a Python setting.
_ENVIRONMENT = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}


class RpcError(Exception):
    """An error answer: `code`, `message` and `data`."""

    def __init__(self, error: Json) -> None:
        super().__init__(f"{error['code']} {error['message']}")
        self.code: int = error["code"]
        self.data: Json = error.get("data") or {}

    @property
    def kind(self) -> str:
        """What clients branch on."""
        return str(self.data.get("kind"))


class Daemon:
    """One running daemon. `notes` holds every notification in order, `wire` every frame read."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.notes: list[tuple[str, Json]] = []
        self.events: dict[str, list[Json]] = defaultdict(list)
        self.batches: dict[str, list[Json]] = defaultdict(list)
        self.wire: list[bytes] = []
        self.stderr = bytearray()
        self.on_request: Callable[[str, Json], Any] = lambda _method, _params: None
        self.info: Json = {}
        self._waiting: dict[int, asyncio.Future[Json]] = {}
        self._changed = asyncio.Condition()
        self._next_id = 0
        self._reader = asyncio.create_task(self._read())
        self._errors = asyncio.create_task(self._read_stderr())
        self.paused = asyncio.Event()
        self.paused.set()

    async def initialize(self, **options: Any) -> Json:
        """Shake hands; return ours of the answer."""
        result = await self.request(
            "initialize",
            {
                "processId": os.getpid(),
                "rootUri": None,
                "capabilities": {},
                "initializationOptions": {"byokd": {"protocolVersion": 1} | options},
            },
        )
        self.info = result["capabilities"]["experimental"]["byokd"]
        self.notify("initialized", {})
        return self.info

    async def request(self, method: str, params: Any = None) -> Any:
        """Send a request and return its result; raises `RpcError`."""
        return await self.answer(self.send(method, params))

    def send(self, method: str, params: Any = None) -> int:
        """Send a request and return its id."""
        self._next_id += 1
        self._waiting[self._next_id] = asyncio.get_running_loop().create_future()
        message = {"jsonrpc": "2.0", "id": self._next_id, "method": method}
        self.write(message if params is None else message | {"params": params})
        return self._next_id

    async def answer(self, request_id: int) -> Any:
        """Return the result for a request that was sent."""
        try:
            message = await self._waiting[request_id]
        finally:
            del self._waiting[request_id]
        if "error" in message:
            raise RpcError(message["error"])
        return message["result"]

    def notify(self, method: str, params: Any) -> None:
        """Send a notification."""
        self.write({"jsonrpc": "2.0", "method": method, "params": params})

    def write(self, message: Any) -> None:
        """Send any value as one frame."""
        body = json.dumps(message).encode()
        self.write_raw(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    def write_raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        assert self.process.stdin is not None
        self.process.stdin.write(data)

    async def until(self, method: str, found: Callable[[Json], bool] = lambda _: True) -> Json:
        """Return the first notification of that name that fits, waiting for it if needed."""
        seen = 0
        async with self._changed:
            while True:
                for name, params in self.notes[seen:]:
                    if name == method and found(params):
                        return params
                seen = len(self.notes)
                await self._changed.wait()

    async def close(self) -> int:
        """Shut down politely and return the exit code."""
        await self.request("shutdown")
        self.notify("exit", None)
        return await self.gone()

    async def gone(self) -> int:
        """Return the exit code once the process is gone and its pipes are read."""
        code = await self.process.wait()
        await asyncio.gather(self._reader, self._errors, return_exceptions=True)
        return code

    async def _read(self) -> None:
        stdout = self.process.stdout
        assert stdout is not None
        while True:
            await self.paused.wait()
            try:
                head = await stdout.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            length = int(head.split(b":", 1)[1].split(b"\r\n", 1)[0])
            body = await stdout.readexactly(length)
            self.wire.append(body)
            await self._take(json.loads(body))
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ConnectionError("the daemon closed its output"))
                future.exception()

    async def _take(self, message: Json) -> None:
        if "method" not in message:
            future = self._waiting.get(message["id"]) if message["id"] is not None else None
            if future is not None and not future.done():
                future.set_result(message)
            else:
                self.notes.append(("unasked answer", message))
        elif "id" in message:
            reply = self.on_request(message["method"], message["params"])
            self.write({"jsonrpc": "2.0", "id": message["id"], "result": reply})
        else:
            params = message.get("params") or {}
            if message["method"] == "chat/events":
                self.batches[params["streamId"]].append(params)
                self.events[params["streamId"]].extend(params["events"])
            self.notes.append((message["method"], params))
        async with self._changed:
            self._changed.notify_all()

    async def _read_stderr(self) -> None:
        assert self.process.stderr is not None
        while data := await self.process.stderr.read(65536):
            self.stderr.extend(data)


@asynccontextmanager
async def running(
    *arguments: str,
    data_dir: Path,
    module: str = "byokd.testing",
    environment: Json | None = None,
    through: Sequence[str] = (),
    flags: Sequence[str] = (),
) -> AsyncIterator[Daemon]:
    """Run a daemon for a while; whatever happens, the process is gone afterwards.

    `through` is a program that becomes the daemon, `flags` are for Python itself.
    """
    process = await asyncio.create_subprocess_exec(
        *through,
        *(sys.executable, "-I", "-X", "utf8", *flags, "-m", module, "--stdio"),
        *("--data-dir", str(data_dir)),
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_ENVIRONMENT | (environment or {}),
        limit=64 * 1024,  # what a paused reader still takes in is twice this
    )
    daemon = Daemon(process)
    try:
        yield daemon
    finally:
        if process.returncode is None:
            process.kill()
        await daemon.gone()
