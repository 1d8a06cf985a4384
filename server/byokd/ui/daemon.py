"""The daemon of one page, as a child process, with many requests at a time."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, Self, cast

from pydantic_core import from_json, to_json

from byokd import __version__
from byokd.core.limits import MESSAGE_MAX_BYTES
from byokd.process.environment import allowed_environment
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.lifecycle import (
    DEFAULT_ACCOUNT,
    ClientCapabilities,
    ClientInfo,
    ClientOptions,
    ServerOptions,
)

_CLOSE_TIMEOUT_S: Final = 3.0
_ENDED: Final = "the daemon ended"

OnMessage = Callable[[JsonObject], None]  # gets the daemon's notifications and requests


class DaemonEnded(Exception):
    """The daemon ended, or did not start."""


class Daemon:
    """A running daemon. Leaving the `async with` block ends it."""

    def __init__(
        self, arguments: Sequence[str], *, module: str, account: str | None, on_message: OnMessage
    ) -> None:
        self._command = (sys.executable, "-I", "-X", "utf8", "-m", module, "--stdio", *arguments)
        self._account = account or DEFAULT_ACCOUNT
        self._on_message = on_message
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[JsonObject]] = {}
        self.ended = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=allowed_environment(os.environ),
            start_new_session=True,  # ctrl-c on this terminal is ours to handle
            limit=MESSAGE_MAX_BYTES,
        )
        self._reader = asyncio.create_task(self._read())
        try:
            await self._initialize()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        with suppress(DaemonEnded, TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self.request("shutdown", None)
                self._send({"method": "exit"})
        await self._end()

    async def stop(self) -> None:
        """End the process without a word, as a crash does."""
        self._process.kill()
        await self.ended.wait()

    async def request(self, method: str, params: Json) -> JsonObject:
        """Return the response, which has `result` or `error`.

        A cancelled caller cancels the request. `chat/send` then still has a result, which is lost.

        Raises:
            DaemonEnded: there will be no response.
        """
        number = next(self._ids)
        answer: asyncio.Future[JsonObject] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        message: JsonObject = {"id": number, "method": method}
        try:
            self._send(message if params is None else message | {"params": params})
            return await answer
        except asyncio.CancelledError:
            self._send({"method": "$/cancelRequest", "params": {"id": number}})
            raise
        finally:
            del self._waiting[number]

    def answer(self, request_id: Json, result: Json) -> None:
        """Answer a request of the daemon."""
        self._send({"id": request_id, "result": result})

    async def _initialize(self) -> None:
        options = ClientOptions(
            client_info=ClientInfo(name="byokd-ui", version=__version__),
            capabilities=ClientCapabilities(prompt=True),
            account=self._account,
        )
        params: JsonObject = {
            "processId": os.getpid(),
            "rootUri": None,
            "capabilities": {},
            "initializationOptions": {"byokd": options.model_dump(mode="json", by_alias=True)},
        }
        answer = await self.request("initialize", params)
        if "error" in answer:
            raise DaemonEnded("the daemon refused to start; see byokd vault status")
        result = cast("dict[str, dict[str, dict[str, JsonObject]]]", answer["result"])
        ours = result["capabilities"]["experimental"]["byokd"]
        self.options = ServerOptions.model_validate(ours)
        self._send({"method": "initialized", "params": {}})

    def _send(self, message: JsonObject) -> None:
        pipe = self._process.stdin
        if pipe is None or self.ended.is_set() or pipe.is_closing():
            raise DaemonEnded(_ENDED)
        body = to_json({"jsonrpc": "2.0"} | message)
        pipe.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    async def _read(self) -> None:
        pipe = cast("asyncio.StreamReader", self._process.stdout)
        try:
            while True:
                head = await pipe.readuntil(b"\r\n\r\n")
                length = int(head.split(b":", 1)[1].split(b"\r\n", 1)[0])
                self._take(from_json(await pipe.readexactly(length)))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.ended.set()
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(DaemonEnded(_ENDED))

    def _take(self, message: JsonObject) -> None:
        if "method" in message:
            self._on_message(message)
            return
        future = self._waiting.get(cast("int", message.get("id")))
        if future is not None and not future.done():
            future.set_result(message)

    async def _end(self) -> None:
        if pipe := self._process.stdin:
            pipe.close()
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._reader
