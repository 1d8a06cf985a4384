"""Carries messages between the page and the daemon.

`client-ts/packages/page/src/host.ts` lists the messages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, cast

from byokd.core.limits import UI_MESSAGES_MAX, UI_REQUESTS_MAX
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.error_data import ErrorData
from byokd.protocol.lifecycle import ServerOptions
from byokd.protocol.methods import METHODS
from byokd.ui.daemon import Daemon, DaemonEnded
from byokd.ui.sealing import RecoveryCodes, Sealer

_LIFECYCLE: Final = frozenset({"initialize", "shutdown"})
ALLOWED: Final = (
    frozenset(method.name for method in METHODS if method.direction == "request") - _LIFECYCLE
)
"""What the page may ask: everything that any client may, except to start and to end."""


class Relay:
    """The messages of one page. `environment` is that of the person's shell."""

    def __init__(
        self, daemon: Daemon, environment: Mapping[str, str], on_full: Callable[[], None]
    ) -> None:
        self.daemon = daemon
        self._sealer = Sealer(daemon.options)
        self._environment = environment
        self._on_full = on_full
        self._running: dict[int, asyncio.Task[None]] = {}
        self._questions: set[str] = set()
        self.outgoing: asyncio.Queue[JsonObject] = asyncio.Queue()

    @property
    def options(self) -> ServerOptions:
        return self.daemon.options

    def take(self, message: Json) -> bool:
        """Act on a message of the page; return False if it is none."""
        match message:
            case {
                "type": "request",
                "id": int(number),
                "method": str(method),
                "params": dict(params),
            }:
                self._start(number, method, cast("JsonObject", params))
            case {"type": "cancel", "id": int(number)}:
                if task := self._running.get(number):
                    task.cancel()
            case {"type": "answer", "id": str(number), "title": str() | None as title}:
                self._answer(number, title)
            case _:
                return False
        return True

    def from_daemon(self, message: JsonObject) -> None:
        """Pass on a notification or a question of the daemon."""
        match message:
            case {"method": "window/showMessageRequest", "id": str(number), "params": params}:
                self._questions.add(number)
                self.post({"type": "question", "id": number, "params": params})
            case {"method": "$/cancelRequest", "params": {"id": str(number)}}:
                self._questions.discard(number)
                self.post({"type": "withdrawn", "id": number})
            case {"method": str(method), "params": params} if "id" not in message:
                self.post({"type": "notification", "method": method, "params": params})

    def post(self, message: JsonObject) -> None:
        if self.outgoing.qsize() >= UI_MESSAGES_MAX:
            self._on_full()
        else:
            self.outgoing.put_nowait(message)

    async def close(self) -> None:
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _answer(self, number: str, title: str | None) -> None:
        if number in self._questions:
            self._questions.discard(number)
            self.daemon.answer(number, None if title is None else {"title": title})

    def _start(self, number: int, method: str, params: JsonObject) -> None:
        if method not in ALLOWED or number in self._running:
            self._refuse(number, "invalidRequest", "the page cannot send this request")
        elif len(self._running) >= UI_REQUESTS_MAX:
            self._refuse(number, "overloaded", "too many requests are running; try again")
        else:
            task = asyncio.create_task(self._request(number, method, params))
            self._running[number] = task
            task.add_done_callback(lambda _: self._running.pop(number))

    async def _request(self, number: int, method: str, params: JsonObject) -> None:
        try:
            codes = (
                RecoveryCodes(method, self.options.account)
                if RecoveryCodes.wanted(params)
                else None
            )
            params = self._sealer.seal(method, await self._with_local_source(method, params))
            if codes:
                codes.add_recipient(params)
            answer = await self.daemon.request(method, params)
        except asyncio.CancelledError:
            self._refuse(number, "cancelled", "cancelled")
            return
        except ValueError:  # text that is no Unicode
            self._refuse(number, "invalidParams", "the text has characters that cannot be sent")
            return
        except DaemonEnded:
            self._refuse(number, "internal", "the daemon ended; run byokd ui again")
            return
        if isinstance(error := answer.get("error"), dict):
            self.post({"type": "error", "id": number, "error": error.get("data")})
            return
        result = cast("JsonObject", answer["result"])
        if codes:
            codes.open_in(result)
        self.post({"type": "result", "id": number, "result": result})

    def _refuse(self, number: int, kind: str, text: str) -> None:
        error = ErrorData.model_validate(
            {"kind": kind, "errorId": "", "retryable": False, "userMessage": text}
        )
        data = error.model_dump(mode="json", by_alias=True)
        self.post({"type": "error", "id": number, "error": data})

    async def _with_local_source(self, method: str, params: JsonObject) -> JsonObject:
        """Read what only this process can: the shell's variables, and `~` in a path."""
        if method != "key/import":
            return params
        match params.get("source"):
            case {"type": "environment"}:
                names = await self._known_variables()
                variables: JsonObject = {
                    name: {"plain": self._environment[name]}
                    for name in sorted(names)
                    if self._environment.get(name)
                }
                return params | {"source": {"type": "variables", "variables": variables}}
            case {"path": str(path)} as source if path.startswith("~"):
                return params | {"source": cast("JsonObject", source) | {"path": _expanded(path)}}
        return params

    async def _known_variables(self) -> set[str]:
        """Return the variables in which other programs keep keys."""
        names: set[str] = set()
        cursor: Json = None
        while True:
            answer = await self.daemon.request("provider/list", {"cursor": cursor})
            page = cast("dict[str, list[dict[str, list[str]]]]", answer["result"])
            for item in page["items"]:
                names.update(item["baseUrlEnv"])
                for field in cast("list[dict[str, list[str]]]", item["fields"]):
                    names.update(field["env"])
            cursor = cast("Json", page["nextCursor"])
            if cursor is None:
                return names


def _expanded(path: str) -> str:
    return str(Path(path).expanduser())
