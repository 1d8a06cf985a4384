"""The door itself: pygls's server and registry, with everything that touches bytes replaced.

Knows how a message finds its handler and how its answer finds the way out. Must not know what any
method does. pygls 2.1.1 turns params into mangled tuples, drops malformed requests without an
answer, logs params and bodies, sends tracebacks and writes on the loop; its codec, framing, writer
and error reporting are therefore never reached: every message comes in through `receive()` and
leaves through the outbox.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

from byokd.core.limits import WARM_UP_DELAY_MS
from byokd.protocol.base import Json, Result
from byokd.protocol.errors import ByokdError, Cancelled, MethodNotFound
from byokd.protocol.methods import BY_NAME
from byokd.rpc import codec, lifecycle
from byokd.rpc.client import ConnectedClient
from byokd.rpc.codec import Notification, Reply, Request
from byokd.rpc.errors import CODES, as_ours, describe
from byokd.rpc.handlers import HANDLERS, KEEPS_RESULT
from byokd.rpc.handlers.call import Call
from byokd.rpc.lifecycle import Lifecycle, Stage
from byokd.rpc.lsp_types import standing_in
from byokd.rpc.outbox import Outbox
from byokd.rpc.params import check, named
from byokd.rpc.requests import InFlight, Requests
from byokd.services.house import Application
from byokd.services.runtime.session import Session

with standing_in():
    from pygls.protocol import JsonRPCProtocol
    from pygls.server import JsonRPCServer

_log = logging.getLogger(__name__)


class Server(JsonRPCServer):
    """The server. `on_initialized` and `on_exit` tell whoever holds the process."""

    protocol: Dispatcher

    def __init__(
        self,
        house: Application,
        outbox: Outbox,
        *,
        on_process_id: Callable[[int], None] = lambda _pid: None,
        on_exit: Callable[[int], None] = lambda _code: None,
    ) -> None:
        super().__init__(Dispatcher, _no_converter)
        self.house = house
        self.outbox = outbox
        self.on_process_id = on_process_id
        self.on_exit = on_exit
        for method, handler in HANDLERS.items():
            self.feature(method)(handler)

    def report_server_error(self, error: Exception, source: object) -> None:
        """Log an error that pygls reports, by type only, and never show it in the editor."""
        _log.error("pygls reported %s: %s", getattr(source, "__name__", "?"), describe(error))


class Dispatcher(JsonRPCProtocol):
    """Dispatch: each request gets exactly one answer, whatever its handler does."""

    _server: Server

    def __init__(self, server: Server, converter: Any) -> None:
        super().__init__(server, converter)
        self.lifecycle = Lifecycle()
        self.requests = Requests()
        self.client: ConnectedClient | None = None
        self.session: Session | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._warm_up: asyncio.Task[None] | None = None
        self._closing = False  # by force: nobody is left to read an answer

    # --- in ---

    def receive(self, body: bytes) -> None:
        """Take the body of one message. Never raises."""
        try:
            message = codec.decode(body)
        except codec.Refused as refused:
            self.refuse(refused.error, refused.id)
        else:
            self.handle_message(message)

    def refuse(self, error: ByokdError, id_: codec.Id | None = None) -> None:
        """Answer a message that is not, or not yet, a request under way."""
        self._server.outbox.send(codec.error_response(id_, CODES[error.kind], error))

    def handle_message(self, message: codec.Message) -> None:  # type: ignore[override]
        """Send a message to where it belongs. The type is ours, not pygls's."""
        match message:
            case Request():
                self._take_request(message)
            case Notification():
                self._take_notification(message)
            case Reply():
                if self.client is not None:
                    self.client.answered(message)

    def _take_request(self, request: Request) -> None:
        try:
            self.lifecycle.admit(request.method)
            entry = self.requests.add(request.id, keeps_result=request.method in KEEPS_RESULT)
        except ByokdError as error:
            self.refuse(error, request.id)
            return
        if request.method == lifecycle.INITIALIZE:
            # answered in this turn of the loop, so that what follows finds the door open
            self._settle(entry, self._outcome_of_initialize(request))
        elif request.method == lifecycle.SHUTDOWN:
            self.lifecycle.stage = Stage.SHUT
            self._settle(entry, codec.response(request.id, None))
        else:
            self._spawn(self._serve(entry, request))

    def _take_notification(self, notification: Notification) -> None:
        """Notifications are never answered; one that we do not know is ignored."""
        if notification.method == lifecycle.EXIT:
            self._server.on_exit(self.lifecycle.exit_code())
        elif notification.method == lifecycle.CANCEL:
            params = notification.params
            entry = self.requests.find(params.get("id")) if isinstance(params, dict) else None
            if entry is not None:
                entry.cancel()
        elif notification.method == lifecycle.INITIALIZED and self.lifecycle.stage is Stage.OPEN:
            delay = WARM_UP_DELAY_MS / 1000
            asyncio.get_running_loop().call_later(delay, self._start_warm_up)

    # --- one request ---

    async def _serve(self, entry: InFlight, request: Request) -> None:
        outcome = await self._outcome(entry, request)
        entry.answering = True
        await self._server.outbox.answer(outcome, entry.stream_id)
        self.requests.remove(entry)

    async def _outcome(self, entry: InFlight, request: Request) -> bytes:
        """Run the handler and write what became of it, which always is something.

        No name here may hold the error: its traceback holds this frame, and the two would keep
        each other, and all that the call has read, until some later garbage collection.
        """
        try:
            entry.begin()
            result = await self._run(entry, request)
            return codec.response(request.id, result)
        except asyncio.CancelledError as exc:
            if self._closing:
                raise
            if entry.cancelled:
                return self._error(request.id, Cancelled("the request was cancelled"))
            return self._error(request.id, as_ours(exc))
        except Exception as exc:  # noqa: BLE001 - whatever it is, the client gets an answer
            return self._error(request.id, as_ours(exc))

    async def _run(self, entry: InFlight, request: Request) -> Result | Json:
        handler = self._find(request.method)
        method = BY_NAME[request.method]
        params = check(named(request.params), method.params_type())
        if self.session is None or self.client is None:  # admitted only after initialize
            raise RuntimeError("a request was admitted before the session")
        call = Call(
            session=self.session,
            house=self._server.house,
            entry=entry,
            requests=self.requests,
            outbox=self._server.outbox,
            wants_events=self.client.wants("chat/events"),
        )
        return await handler(call, params)

    def _find(self, method: str) -> Callable[[Call, Any], Awaitable[Result]]:
        handler = self.fm.features.get(method)
        if handler is None:
            raise MethodNotFound("no such method; protocol.md lists all of them")
        found: Callable[[Call, Any], Awaitable[Result]] = handler
        return found

    def _error(self, id_: codec.Id, error: ByokdError) -> bytes:
        try:
            return codec.error_response(id_, CODES[error.kind], error)
        except Exception as exc:  # noqa: BLE001 - even an error that cannot be written is answered
            ours = as_ours(exc)
            return codec.error_response(id_, CODES[ours.kind], ours)

    # --- lifecycle ---

    def _outcome_of_initialize(self, request: Request) -> bytes:
        try:
            lsp, options = lifecycle.read_initialize(named(request.params))
            server_options = self._server.house.server_options(options)
            result = lifecycle.initialize_result(server_options)
            client = ConnectedClient(self._server.outbox, options)
            session = Session(
                account=options.account,
                client=client,
                client_info=options.client_info,
                features=server_options.features,
                can_prompt=options.capabilities.prompt,
            )
            self._server.house.attach(session)
            body = codec.response(request.id, result)
        except Exception as exc:  # noqa: BLE001 - as for every request
            return self._error(request.id, as_ours(exc))
        self.client, self.session = client, session
        self.lifecycle.stage = Stage.OPEN
        if lsp.process_id is not None:
            self._server.on_process_id(lsp.process_id)
        return body

    def _settle(self, entry: InFlight, body: bytes) -> None:
        self.requests.remove(entry)
        self._server.outbox.send(body)

    def _start_warm_up(self) -> None:
        """Open what is heavy while nobody waits for it."""
        if self._warm_up is None and self.lifecycle.stage is Stage.OPEN:
            self._warm_up = self._spawn(self._warm())

    async def _warm(self) -> None:
        try:
            await self._server.house.rooms()
        except Exception as exc:  # noqa: BLE001 - whoever needs the rooms gets the error
            _log.warning("warming up failed: %s", describe(exc))

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def aclose(self, gentle_s: float, hard_s: float) -> None:
        """End what is under way: first as if the client had cancelled, then by force."""
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

    # --- pygls's own ways in and out, closed ---

    def structure_message(self, data: object) -> NoReturn:  # noqa: ARG002 - pygls's signature
        """Refuse: pygls would look for messages inside params."""
        raise RuntimeError("messages come in through receive()")

    def _send_data(self, data: object) -> NoReturn:  # noqa: ARG002 - pygls's signature
        raise RuntimeError("messages leave through the outbox")


def _no_converter() -> Any:
    """Return nothing: pygls keeps a cattrs converter for its codec, which is never reached."""
    return None
