"""A test client of the real daemon, over its real stdio.

It has its own framing and JSON-RPC and shares no code with the daemon's server layer, so that a
fault there is not hidden by the same fault here.
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

from waits import WAIT_MAX_S

ROOT = Path(__file__).resolve().parent.parent
Json = dict[str, Any]

# The environment of the daemon: no variable with a key, a proxy or a setting of Python.
_ENVIRONMENT = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}


SILENT: Any = object()
"""What `on_request` returns to leave a request of the daemon unanswered."""


class RpcError(Exception):
    """An error response: `code`, `message` and `data`."""

    def __init__(self, error: Json) -> None:
        super().__init__(f"{error['code']} {error['message']}")
        self.code: int = error["code"]
        self.data: Json = error.get("data") or {}

    @property
    def kind(self) -> str:
        """The error kind."""
        return str(self.data.get("kind"))


class Daemon:
    """One running daemon. `notes` holds all notifications in order, `wire` all frames read."""

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
        """Send `initialize` and `initialized`; return byokd's part of the result."""
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
        """Wait for the response to a request that was sent; return its result."""
        try:
            async with asyncio.timeout(WAIT_MAX_S):
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
        """Send bytes unchanged."""
        assert self.process.stdin is not None
        self.process.stdin.write(data)

    async def until(self, method: str, matches: Callable[[Json], bool] = lambda _: True) -> Json:
        """Wait for the first notification of that method that matches; return its params."""
        seen = 0
        async with asyncio.timeout(WAIT_MAX_S), self._changed:
            while True:
                for name, params in self.notes[seen:]:
                    if name == method and matches(params):
                        return params
                seen = len(self.notes)
                await self._changed.wait()

    async def close(self) -> int:
        """Send `shutdown` and `exit`; return the exit code."""
        await self.request("shutdown")
        self.notify("exit", None)
        return await self.gone()

    async def gone(self) -> int:
        """Wait until the process has ended and its pipes are read; return its exit code."""
        async with asyncio.timeout(WAIT_MAX_S):
            code = await self.process.wait()
        await asyncio.gather(self._reader, self._errors, return_exceptions=True)
        return code

    async def logged(self, text: bytes, times: int = 1) -> None:
        """Wait until the log has that text so many times."""
        async with asyncio.timeout(WAIT_MAX_S), self._changed:
            while self.stderr.count(text) < times:
                await self._changed.wait()

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
                self.notes.append(("unexpected response", message))
        elif "id" in message:
            reply = self.on_request(message["method"], message["params"])
            if reply is not SILENT:
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
            async with self._changed:
                self._changed.notify_all()


@asynccontextmanager
async def running(
    *arguments: str,
    data_dir: Path,
    module: str = "byokd.testing",
    environment: Json | None = None,
    through: Sequence[str] = (),
    flags: Sequence[str] = (),
) -> AsyncIterator[Daemon]:
    """Run a daemon. The process has ended when the context is left.

    `through` is a command that starts the daemon (its words come first), `flags` are Python's own.
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
        limit=64 * 1024,  # a paused reader buffers up to twice this
    )
    daemon = Daemon(process)
    try:
        yield daemon
    finally:
        if process.returncode is None:
            process.kill()
        await daemon.gone()
