"""A JSON-RPC client for one daemon, which runs as a child process. One request at a time."""

from __future__ import annotations

import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import IO, Final, Self, TypeVar, cast

from pydantic_core import from_json, to_json

from byokd import __version__
from byokd.cli.interrupts import first_interrupt
from byokd.crypto.seal import info, seal
from byokd.process.environment import allowed_environment
from byokd.protocol.base import JsonObject, PageParams, Params, Result
from byokd.protocol.error_data import ErrorData
from byokd.protocol.lifecycle import (
    DEFAULT_ACCOUNT,
    ClientCapabilities,
    ClientInfo,
    ClientOptions,
    MessageAction,
    ServerOptions,
    ShowMessageRequest,
)
from byokd.protocol.methods import BY_NAME
from byokd.protocol.sealed import SecretInput

R = TypeVar("R", bound=Result)
NotificationHandler = Callable[[str, Params], None]
PromptHandler = Callable[[ShowMessageRequest], str | None]  # returns the title of an action
OnLocked = Callable[["Daemon", ErrorData], bool]  # returns whether the vault is open now

_WAKE: Final[JsonObject] = {}
"""A message that says nothing; it ends the wait for the next one."""

_CLOSE_TIMEOUT_S: Final = 3.0
_STDERR_TAIL_BYTES: Final = 4096
_LOG_LINE: Final = re.compile(r"byokd (?P<level>\w+) (?P<logger>[\w.]+): (?P<text>.*)")
_CONFIGURATION: Final = "byokd.app"
"""The logger of the daemon that names configuration which it does not use."""


class DaemonError(Exception):
    def __init__(self, data: ErrorData) -> None:
        super().__init__(data.user_message)
        self.data = data


class DaemonGone(Exception):
    """The daemon ended, did not start or did not answer."""

    def __init__(self, text: str, last_line: str = "") -> None:
        super().__init__(text)
        self.last_line = last_line  # of its stderr


class Daemon:
    """A running daemon. Leaving the `with` block ends it."""

    def __init__(
        self,
        arguments: Sequence[str] = (),
        *,
        module: str = "byokd",  # the demo runs `byokd.testing`
        account: str | None = None,
        on_notification: NotificationHandler | None = None,
        on_prompt: PromptHandler | None = None,
        on_locked: OnLocked | None = None,
    ) -> None:
        self._command = [sys.executable, "-I", "-X", "utf8", "-m", module, "--stdio", *arguments]
        self._account = account
        self._on_notification = on_notification
        self.on_prompt = on_prompt
        self._on_locked = on_locked
        self._inbox: queue.SimpleQueue[JsonObject | None] = queue.SimpleQueue()
        self._last_id = 0

    def __enter__(self) -> Self:
        self._stderr = tempfile.TemporaryFile()  # closed with the process
        self._process = subprocess.Popen(  # noqa: S603  # ourselves, and no shell
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=allowed_environment(os.environ),
            start_new_session=True,  # Ctrl-C and a closed terminal are for this process
        )
        # Read in a thread, so that waiting can have a limit; everything else happens in the
        # calling thread.
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self.options = self._initialize()
            self.warnings = self._configuration_warnings()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        try:
            if value is None and self._process.poll() is None:
                self._request("shutdown", None, timeout_s=_CLOSE_TIMEOUT_S)
                self._send({"method": "exit"})
        except (DaemonError, DaemonGone):
            return  # it is ending anyway, and every request was answered
        finally:
            self._end()

    def call(
        self, method: str, params: Params, result: type[R], *, timeout_s: float | None = None
    ) -> R:
        """Send a request and return its result. Ctrl-C cancels it; a second Ctrl-C raises.

        Raises:
            DaemonError: the daemon answered with an error.
            DaemonGone: the daemon ended or did not answer in time.
        """
        wire = params.model_dump(mode="json", by_alias=True)
        try:
            answer = self._request(method, wire, timeout_s=timeout_s)
        except DaemonError as error:
            if error.data.kind != "vaultLocked" or method == "vault/unlock":
                raise
            if self._on_locked is None or not self._on_locked(self, error.data):
                raise
            answer = self._request(method, wire, timeout_s=timeout_s)
        return result.model_validate(answer)

    def pages(self, method: str, params: PageParams, result: type[R]) -> Iterator[R]:
        while True:
            page = self.call(method, params, result)
            yield page
            cursor = getattr(page, "next_cursor")  # noqa: B009  # every page has it, no type says so
            if cursor is None:
                return
            params = params.model_copy(update={"cursor": cursor})

    @contextmanager
    def notifying(self, handler: NotificationHandler) -> Iterator[None]:
        """Call this handler with each notification inside the `with` block."""
        before, self._on_notification = self._on_notification, handler
        try:
            yield
        finally:
            self._on_notification = before

    def wait(self, done: Callable[[], bool], *, timeout_s: float) -> bool:
        """Handle notifications until `done()`; return False after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while not done():
            message = self._next_message(deadline)
            if message is None:
                return False
            self._handle(message)
        return True

    def sealed(
        self,
        text: str,
        *,
        method: str,
        field: str,
        provider: str | None = None,
        key_id: str | None = None,
        base_url: str | None = None,
    ) -> SecretInput:
        """Seal a secret for one field of one request to this daemon."""
        context = info(
            method,
            account=self.options.account,
            provider=provider,
            key_id=key_id,
            base_url=base_url,
            field=field,
        )
        return SecretInput(sealed=seal(self.options.sealing.public_key, text, context))

    def _initialize(self) -> ServerOptions:
        options = ClientOptions(
            client_info=ClientInfo(name="byokd-cli", version=__version__),
            capabilities=ClientCapabilities(prompt=self.on_prompt is not None),
            account=self._account or DEFAULT_ACCOUNT,
        )
        wire = options.model_dump(mode="json", by_alias=True)
        answer = self._request(
            "initialize",
            {
                "processId": os.getpid(),
                "rootUri": None,
                "capabilities": {},
                "initializationOptions": {"byokd": wire},
            },
        )
        self._send({"method": "initialized", "params": {}})
        capabilities = cast("dict[str, dict[str, JsonObject]]", answer["capabilities"])
        return ServerOptions.model_validate(capabilities["experimental"]["byokd"])

    def _request(
        self, method: str, params: JsonObject | None, *, timeout_s: float | None = None
    ) -> JsonObject:
        self._last_id += 1
        request: JsonObject = {"id": self._last_id, "method": method}
        self._send(request if params is None else request | {"params": params})
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        with first_interrupt(wake=lambda: self._inbox.put(_WAKE)) as interrupt:
            while True:
                message = self._next_message(deadline)
                if interrupt.take():
                    self._send({"method": "$/cancelRequest", "params": {"id": self._last_id}})
                if message is None:
                    raise DaemonGone(f"no answer to {method} within {timeout_s:g} s")
                if message.get("id") != self._last_id or "method" in message:
                    self._handle(message)
                elif "error" in message:
                    raise DaemonError(_error_data(cast("JsonObject", message["error"])))
                else:
                    return cast("JsonObject", message["result"])

    def _handle(self, message: JsonObject) -> None:
        name, params = str(message.get("method", "")), message.get("params")
        if "id" in message and name:
            answer = None
            if name == "window/showMessageRequest" and self.on_prompt:
                answer = self.on_prompt(ShowMessageRequest.model_validate(params))
            reply = MessageAction(title=answer).model_dump() if answer else None
            self._send({"id": message["id"], "result": reply})
        elif self._on_notification and (method := BY_NAME.get(name)):
            self._on_notification(name, method.params_type().model_validate(params))

    def _send(self, message: JsonObject) -> None:
        body = to_json({"jsonrpc": "2.0"} | message)
        pipe = cast("IO[bytes]", self._process.stdin)
        try:
            pipe.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
            pipe.flush()
        except OSError:
            raise self._daemon_gone() from None

    def _next_message(self, deadline: float | None) -> JsonObject | None:
        """Return the next message, or None after the deadline."""
        try:
            remaining_s = None if deadline is None else max(deadline - time.monotonic(), 0)
            message = self._inbox.get(timeout=remaining_s)
        except queue.Empty:
            return None
        if message is None:
            self._inbox.put(None)  # for the next call
            raise self._daemon_gone()
        return message

    def _read(self) -> None:
        pipe = cast("IO[bytes]", self._process.stdout)
        length = 0
        for header in pipe:
            if header.strip():
                name, _, value = header.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            else:
                body = pipe.read(length)
                if len(body) == length:
                    self._inbox.put(from_json(body))
        self._inbox.put(None)

    def _daemon_gone(self) -> DaemonGone:
        self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, self._stderr.tell() - _STDERR_TAIL_BYTES))
        lines = self._stderr.read().decode(errors="replace").strip().splitlines()
        last = lines[-1] if lines else ""
        match = _LOG_LINE.fullmatch(last)
        text = match["text"] if match else last
        return DaemonGone("the daemon ended before it answered", text)

    def _configuration_warnings(self) -> list[str]:
        """Return what the daemon warned of at its start, such as a provider file it cannot use."""
        if sys.platform == "win32":  # there is no read that leaves the daemon's position alone
            return []
        data = os.pread(self._stderr.fileno(), _STDERR_TAIL_BYTES, 0)
        matches = map(_LOG_LINE.fullmatch, data.decode(errors="replace").splitlines())
        return [
            match["text"]
            for match in matches
            if match and (match["level"], match["logger"]) == ("warning", _CONFIGURATION)
        ]

    def _end(self) -> None:
        with suppress(OSError):  # data that it did not read before it ended
            cast("IO[bytes]", self._process.stdin).close()
        try:
            self._process.wait(_CLOSE_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()  # the pipe is closed because the process has ended
        cast("IO[bytes]", self._process.stdout).close()
        self._stderr.close()


def _error_data(error: JsonObject) -> ErrorData:
    data = error.get("data")
    if isinstance(data, dict):
        return ErrorData.model_validate(data)
    return ErrorData(
        kind="internal", error_id="", retryable=False, user_message=str(error.get("message"))
    )
