"""Receives messages, runs their routes and writes exactly one answer per request."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

from byokd.core.limits import WARM_UP_DELAY_MS
from byokd.protocol.base import Json, Value
from byokd.protocol.errors import ByokdError, Cancelled, MethodNotFound
from byokd.rpc import codec, lifecycle
from byokd.rpc.call import Call
from byokd.rpc.client import ConnectedClient
from byokd.rpc.codec import Notification, Reply, Request
from byokd.rpc.errors import CODES, as_byokd_error, describe
from byokd.rpc.lifecycle import Lifecycle
from byokd.rpc.lsp_types import standing_in
from byokd.rpc.outbox import Outbox
from byokd.rpc.params import check, params_object
from byokd.rpc.requests import InFlight, Requests
from byokd.rpc.routes import ROUTES, Route
from byokd.services.runtime.session import Session

# pygls 2.1.1 turns params into mangled tuples, drops malformed requests without an answer, logs
# params and bodies, sends tracebacks and writes on the loop. So only its server class and feature
# registry are used: messages come in through `receive()` and leave through the outbox.
with standing_in():
    from pygls.protocol import JsonRPCProtocol
    from pygls.server import JsonRPCServer

if TYPE_CHECKING:
    from byokd.services.interface import App

Handler: TypeAlias = Callable[[Call, Json], Awaitable[Value]]
"""Answers one method: the call and its unchecked params in, the result out."""

_log = logging.getLogger(__name__)
_KEEP_RESULT: Final = frozenset(route.method.name for route in ROUTES if route.keeps_result)


class Server(JsonRPCServer):
    """The server of one connection.

    Args:
        app: the application to serve.
        outbox: gets every message to the client.
        on_process_id: called with the client's process id, if `initialize` names one.
        on_exit: called with the exit code when the client sends `exit`.
    """

    protocol: Dispatcher

    def __init__(
        self,
        app: App,
        outbox: Outbox,
        *,
        on_process_id: Callable[[int], None] = lambda _pid: None,
        on_exit: Callable[[int], None] = lambda _code: None,
    ) -> None:
        super().__init__(Dispatcher, _no_converter)
        self.app = app
        self.outbox = outbox
        self.on_process_id = on_process_id
        self.on_exit = on_exit
        for route in ROUTES:
            self.feature(route.method.name)(_handler(route))

    def report_server_error(self, error: Exception, source: object) -> None:
        # pygls would show the error in the editor
        _log.error("pygls reported %s: %s", getattr(source, "__name__", "?"), describe(error))


class Dispatcher(JsonRPCProtocol):
    _server: Server

    def __init__(self, server: Server, converter: Any) -> None:
        super().__init__(server, converter)
        self.lifecycle = Lifecycle()
        self.requests = Requests()
        self.client: ConnectedClient | None = None
        self.session: Session | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._warm_up: asyncio.Task[None] | None = None
        self._closing = False  # the process ends: requests are cancelled without an answer

    # --- incoming messages ---

    def receive(self, body: bytes) -> None:
        """Handle the body of one message. Never raises."""
        try:
            message = codec.decode(body)
        except codec.Refused as refused:
            self.refuse(refused.error, refused.id)
        else:
            self.handle_message(message)

    def refuse(self, error: ByokdError, id_: codec.Id | None = None) -> None:
        """Answer a message that did not become a running request."""
        self._server.outbox.send(codec.error_response(id_, CODES[error.kind], error))

    def handle_message(self, message: codec.Message) -> None:  # type: ignore[override]
        match message:
            case Request():
                self._on_request(message)
            case Notification():
                self._on_notification(message)
            case Reply():
                if self.client is not None:
                    self.client.answered(message)

    def _on_request(self, request: Request) -> None:
        try:
            self.lifecycle.admit(request.method)
            entry = self.requests.add(request.id, keeps_result=request.method in _KEEP_RESULT)
        except ByokdError as error:
            self.refuse(error, request.id)
            return
        if request.method == lifecycle.INITIALIZE:
            # answered in this turn of the loop: the next message may need the session
            self._settle(entry, self._outcome_of_initialize(request))
        elif request.method == lifecycle.SHUTDOWN:
            self.lifecycle.shut_down()
            self._settle(entry, codec.response(request.id, None))
        else:
            self._spawn(self._serve(entry, request))

    def _on_notification(self, notification: Notification) -> None:
        if notification.method == lifecycle.EXIT:
            self._server.on_exit(self.lifecycle.exit_code())
        elif notification.method == lifecycle.CANCEL:
            params = notification.params
            entry = self.requests.find(params.get("id")) if isinstance(params, dict) else None
            if entry is not None:
                entry.cancel()
        elif notification.method == lifecycle.INITIALIZED and self.lifecycle.is_open:
            delay = WARM_UP_DELAY_MS / 1000
            asyncio.get_running_loop().call_later(delay, self._start_warm_up)

    # --- one request ---

    async def _serve(self, entry: InFlight, request: Request) -> None:
        outcome = await self._outcome(entry, request)
        entry.start_answering()
        await self._server.outbox.answer(outcome, entry.stream_id)
        self.requests.remove(entry)

    async def _outcome(self, entry: InFlight, request: Request) -> bytes:
        # No local may hold the exception: its traceback refers to this frame, and that cycle would
        # keep all data of the call alive until the next garbage collection.
        try:
            entry.begin()
            result = await self._run(entry, request)
            return codec.response(request.id, result)
        except asyncio.CancelledError as exc:
            if self._closing:
                raise
            if entry.cancelled:
                return self._error(request.id, Cancelled("the request was cancelled"))
            return self._error(request.id, as_byokd_error(exc))
        except Exception as exc:  # noqa: BLE001 - the client gets an answer in any case
            return self._error(request.id, as_byokd_error(exc))

    async def _run(self, entry: InFlight, request: Request) -> Value:
        handler: Handler | None = self.fm.features.get(request.method)
        if handler is None:
            raise MethodNotFound("no such method; protocol.md lists all of them")
        if self.session is None or self.client is None:  # admitted only after initialize
            raise RuntimeError("a request was admitted before the session")
        call = Call(
            session=self.session,
            app=self._server.app,
            request=entry,
            requests=self.requests,
            outbox=self._server.outbox,
            wants_events=self.client.wants("chat/events"),
        )
        return await handler(call, request.params)

    def _error(self, id_: codec.Id, error: ByokdError) -> bytes:
        try:
            return codec.error_response(id_, CODES[error.kind], error)
        except Exception as exc:  # noqa: BLE001 - an error that cannot be written gets an answer
            internal = as_byokd_error(exc)
            return codec.error_response(id_, CODES[internal.kind], internal)

    # --- lifecycle ---

    def _outcome_of_initialize(self, request: Request) -> bytes:
        try:
            lsp, options, warnings = lifecycle.read_initialize(params_object(request.params))
            for warning in warnings:
                _log.warning("initialize: %s", warning)
            server_options = self._server.app.server_options(options)
            server_options = server_options.model_copy(update={"warnings": warnings})
            result = lifecycle.initialize_result(server_options)
            client = ConnectedClient(
                self._server.outbox, options, self._server.app.prompt_timeout_ms
            )
            session = Session(
                account=options.account,
                client=client,
                client_info=options.client_info,
                features=server_options.features,
            )
            self._server.app.attach(session)
            body = codec.response(request.id, result)
        except Exception as exc:  # noqa: BLE001 - as for every request
            return self._error(request.id, as_byokd_error(exc))
        self.client, self.session = client, session
        self.lifecycle.open()
        if lsp.process_id is not None:
            self._server.on_process_id(lsp.process_id)
        return body

    def _settle(self, entry: InFlight, body: bytes) -> None:
        self.requests.remove(entry)
        self._server.outbox.send(body)

    def _start_warm_up(self) -> None:
        # builds the services before the first request needs them
        if self._warm_up is None and self.lifecycle.is_open:
            self._warm_up = self._spawn(self._warm())

    async def _warm(self) -> None:
        try:
            await self._server.app.services()
        except Exception as exc:  # noqa: BLE001 - the request that needs the services gets the error
            _log.warning("warming up failed: %s", describe(exc))

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def aclose(self, gentle_s: float, hard_s: float) -> None:
        """End the running requests: first as if the client had cancelled them, then by force."""
        if self.client is not None:
            self.client.close()
        for entry in self.requests.all():
            entry.cancel()
        for timeout in (gentle_s, hard_s):
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=timeout)
            self._closing = True
            for task in self._tasks:
                task.cancel()

    # --- pygls's reader and writer, which must never run ---

    def structure_message(self, data: object) -> NoReturn:  # noqa: ARG002 - pygls's signature
        # pygls would look for messages inside params
        raise RuntimeError("messages come in through receive()")

    def _send_data(self, data: object) -> NoReturn:  # noqa: ARG002 - pygls's signature
        raise RuntimeError("messages leave through the outbox")


def _handler(route: Route) -> Handler:
    async def handle(call: Call, params: Json) -> Value:
        result: Value = await route.answer(
            call, check(params_object(params), route.method.params_type())
        )
        return result

    return handle


def _no_converter() -> Any:
    return None  # in place of a cattrs converter for pygls's codec, which is never reached
