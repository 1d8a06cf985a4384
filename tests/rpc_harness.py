"""A server over a scripted application, and a client on real pipes, in one process.

Run as a script, it serves the scripted application over stdio.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

if __name__ == "__main__":
    _TESTS = Path(__file__).resolve().parent
    sys.path[:0] = [str(_TESTS.parent / "server"), str(_TESTS)]

from byokd.core.limits import PROMPT_TIMEOUT_MS
from byokd.protocol.chat import Route, SendParams, SendResult
from byokd.protocol.errors import ByokdError, Unsupported
from byokd.protocol.events import Event, FinishReason, TextDelta
from byokd.protocol.lifecycle import ClientOptions, Sealing, ServerLimits, ServerOptions
from byokd.protocol.parts import Answer, TextPart
from byokd.protocol.provider import ProviderListParams, ProviderListResult
from byokd.protocol.usage import Cost
from byokd.protocol.vault import VaultInfo
from byokd.rpc.framing import frame
from byokd.rpc.routes import ROUTES, ServiceRoute
from byokd.rpc.serve import Connection
from byokd.services.runtime.session import Session
from waits import WAIT_MAX_S

Json = dict[str, Any]
Behaviour = Callable[[Session, Any], Awaitable[Any]]
CHAT = {"provider": "any", "model": "m", "messages": [{"role": "user", "content": "hi"}]}


class _Path:
    """Records the attributes read from it: `path.keys.store` is named "keys.store"."""

    def __init__(self, name: str = "") -> None:
        self.name = name

    def __getattr__(self, name: str) -> _Path:
        return _Path(f"{self.name}.{name}".removeprefix("."))


def _service_functions() -> dict[str, str]:
    """Return the method that each service function answers, by the function's path."""
    functions = {}
    for route in ROUTES:
        if isinstance(route, ServiceRoute):
            path = cast("_Path", route.find(cast("Any", _Path())))
            functions[path.name] = route.method.name
    return functions


def result(text: str, reason: str = "stop") -> SendResult:
    return SendResult(
        message=Answer(content=(TextPart(text=text),)),
        finish_reason=FinishReason.model_validate({"unified": reason}),
        usage=None,
        cost=Cost(),
        route=Route(provider="any", model="m", key_id=None, attempts=1),
        warnings=(),
        provider_request_id=None,
    )


class ScriptedAnswer:
    """A chat answer made of batches; `pace` is awaited before each, `error` raised at the end."""

    def __init__(
        self,
        batches: Sequence[Sequence[Event]],
        *,
        pace: Callable[[], Awaitable[object]] | None = None,
        error: Exception | None = None,
    ) -> None:
        self._batches = batches
        self._pace = pace
        self._error = error
        self._cancelled = asyncio.Event()
        self.batches_sent = 0
        self.closed = False
        self.result = result("")

    async def __aiter__(self) -> AsyncIterator[Sequence[Event]]:
        text = ""
        try:
            for batch in self._batches:
                if self._pace is not None:
                    pace = asyncio.ensure_future(self._pace())
                    cancelled = asyncio.ensure_future(self._cancelled.wait())
                    await asyncio.wait({pace, cancelled}, return_when=asyncio.FIRST_COMPLETED)
                    pace.cancel()
                    cancelled.cancel()
                if self._cancelled.is_set():
                    break
                self.batches_sent += 1
                text += "".join(event.delta for event in batch if isinstance(event, TextDelta))
                yield batch
            if self._error is not None:
                raise self._error
            self.result = result(text, "cancelled" if self._cancelled.is_set() else "stop")
        finally:
            self.closed = True

    def cancel(self) -> None:
        self._cancelled.set()


class ScriptedApp:
    """An application whose services do what a test sets in `behaviours`; `calls` records them."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.behaviours: dict[str, Behaviour] = {}
        self.answers: dict[str, Callable[[SendParams], ScriptedAnswer]] = {}
        self.session: Session | None = None
        self.builds = 0
        self.closed = 0
        self.build_allowed: asyncio.Event | None = None
        self.prompt_timeout_ms = PROMPT_TIMEOUT_MS
        self.providers: Any = SimpleNamespace(list=self._list_providers)
        self._services = SimpleNamespace(chat=SimpleNamespace(answer=self._answer))
        for path, method in _service_functions().items():
            service, function = path.split(".")
            vars(self._services).setdefault(service, SimpleNamespace())
            setattr(getattr(self._services, service), function, self._method(method))

    def _list_providers(self, _session: Session, params: ProviderListParams) -> ProviderListResult:
        self.calls.append(("provider/list", params))
        return ProviderListResult(items=(), next_cursor=None)

    def server_options(self, options: ClientOptions) -> ServerOptions:
        return ServerOptions(
            protocol_version=1,
            schema_hash="sha256:0",
            account=options.account,
            sealing=Sealing(public_key="AA==", key_id="1"),
            features=options.features,
            limits=ServerLimits(),
            vault=VaultInfo(state="checking"),
        )

    def attach(self, session: Session) -> None:
        self.session = session

    async def services(self) -> Any:
        self.builds += 1
        if self.build_allowed is not None:
            await self.build_allowed.wait()
        return self._services

    async def aclose(self) -> None:
        self.closed += 1

    def _method(self, method: str) -> Behaviour:
        async def run(session: Session, params: Any) -> Any:
            self.calls.append((method, params))
            return await self.behaviours[method](session, params)

        return run

    def _answer(self, _session: Session, params: SendParams) -> ScriptedAnswer:
        self.calls.append(("chat/send", params))
        return self.answers[params.stream_id](params)


class PipeClient:
    """The client's end of the pipes. `messages` holds every message received, in order."""

    def __init__(self, write_fd: int, read_fd: int) -> None:
        self.write_fd, self.read_fd = write_fd, read_fd
        self.messages: list[Json] = []
        self._buffer = b""
        self._loop = asyncio.get_running_loop()
        self._received = asyncio.Event()
        self.connection: Connection
        self.served: asyncio.Task[int]
        self._open = True
        os.set_blocking(read_fd, False)
        self.start_reading()

    def start_reading(self) -> None:
        self._loop.add_reader(self.read_fd, self._read)

    def stop_reading(self) -> None:
        """Leave received bytes in the pipe."""
        self._loop.remove_reader(self.read_fd)

    def send(self, message: Json | bytes) -> None:
        """Write a message, or raw bytes."""
        data = message if isinstance(message, bytes) else frame(json.dumps(message).encode())
        while data:
            data = data[os.write(self.write_fd, data) :]

    def send_request(self, id_: object, method: str, params: object = None) -> None:
        message: Json = {"jsonrpc": "2.0", "id": id_, "method": method}
        self.send(message if params is None else message | {"params": params})

    def notify(self, method: str, params: object = None) -> None:
        self.send({"jsonrpc": "2.0", "method": method, "params": params})

    async def answer(self, id_: object) -> Json:
        return await self.until(lambda m: "method" not in m and m.get("id") == id_)

    async def call(self, id_: object, method: str, params: object = None) -> Json:
        self.send_request(id_, method, params)
        return await self.answer(id_)

    async def until(self, wanted: Callable[[Json], bool]) -> Json:
        seen = 0
        while True:
            for message in self.messages[seen:]:
                if wanted(message):
                    return message
            seen = len(self.messages)
            if not self._open:
                raise AssertionError(f"the connection was closed; received {self.messages}")
            self._received.clear()
            async with asyncio.timeout(WAIT_MAX_S):
                await self._received.wait()

    async def settled(self) -> None:
        """Wait until everything sent so far was handled: an unknown method was answered."""
        id_ = f"ping-{len(self.messages)}"
        await self.call(id_, "no/such")

    async def initialize(self, **byokd: Any) -> Json:
        """Send `initialize` and `initialized`; return the answer."""
        params = {"processId": None, "initializationOptions": {"byokd": byokd}}
        answer = await self.call("init", "initialize", params)
        self.notify("initialized", {})
        return answer

    def answers(self, id_: object) -> list[Json]:
        """Return every answer to an id received so far."""
        return [m for m in self.messages if "method" not in m and m.get("id") == id_]

    def notifications(self, method: str) -> list[Json]:
        """Return the params of every notification of this name received so far."""
        return [m["params"] for m in self.messages if m.get("method") == method and "id" not in m]

    def close(self) -> None:
        self.stop_reading()
        os.close(self.read_fd)
        if self.write_fd >= 0:
            self.close_stdin()

    def close_stdin(self) -> None:
        os.close(self.write_fd)
        self.write_fd = -1

    def _read(self) -> None:
        try:
            data = os.read(self.read_fd, 1 << 20)
        except BlockingIOError:
            return
        if not data:
            self._open = False
            self.stop_reading()
        self._buffer += data
        self.messages += self._messages()
        self._received.set()

    def _messages(self) -> Any:
        while True:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            length = int(head.removeprefix(b"Content-Length: "))
            if len(rest) < length:
                return
            self._buffer = rest[length:]
            yield json.loads(rest[:length])


@asynccontextmanager
async def connect(
    app: ScriptedApp | None = None,
) -> AsyncIterator[tuple[PipeClient, ScriptedApp]]:
    """Serve a scripted application on two pipes."""
    app = app or ScriptedApp()
    in_read, in_write = os.pipe()
    out_read, out_write = os.pipe()
    connection = Connection(app, in_read, out_write)
    served = asyncio.create_task(connection.run())
    client = PipeClient(in_write, out_read)
    client.connection = connection
    client.served = served
    try:
        yield client, app
    finally:
        if client.write_fd >= 0:
            client.close_stdin()
        async with asyncio.timeout(WAIT_MAX_S):
            await served
        client.close()
        os.close(in_read)
        os.close(out_write)


def _main() -> None:
    from byokd.__main__ import Arguments, parse, serve

    app = ScriptedApp()

    async def leak(_session: Session, params: Any) -> Any:
        print("a stray print")
        os.system("echo a stray child")  # noqa: ASYNC221, S605, S607 - which is the point
        raise ValueError(f"could not use {params!r}")

    async def fall(_session: Session, params: Any) -> Any:
        raise ValueError(f"could not use {params!r}")

    async def fail(_session: Session, _params: Any) -> Any:
        raise ByokdError("an error of byokd")

    app.behaviours |= {"key/store": leak, "key/probe": leak, "key/list": fail, "key/enable": fall}

    def create_app(arguments: Arguments) -> ScriptedApp:
        if arguments.config == "bad":
            raise Unsupported("name a better file")
        return app

    serve(parse(sys.argv[1:]) or Arguments(), create_app)


if __name__ == "__main__":
    _main()
