"""A small Secret Service on a private bus: the D-Bus calls that a client of one collection makes.

Run as a program: the first argument is its mode (see `MODES`), the second the file of its items.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any, Final

from jeepney import (  # type: ignore[import-untyped]
    DBusAddress,
    HeaderFields,
    Message,
    MessageType,
    new_error,
    new_method_return,
    new_signal,
)
from jeepney.bus_messages import message_bus  # type: ignore[import-untyped]
from jeepney.io.blocking import open_dbus_connection  # type: ignore[import-untyped]

_NAME = "org.freedesktop.secrets"
_PREFIX = "org.freedesktop.Secret."
_NONE = "/"
_PROMPT = "/org/freedesktop/secrets/prompt/1"

_SLOW_S = 0.5
_CUT_BYTES = 40

MODES: Final = {
    "open": "works",
    "locked": "asks for a password, and gets it",
    "dismissed": "asks for a password, and is told no",
    "hanging": "asks for a password, and nobody answers",
    "silent": "takes calls and answers none",
    "slow": "takes its time",
    "very slow": "takes four seconds",
    "dead": "ends at the first call",
    "raising": "answers every call with an error that quotes it",
    "missing": "has lost its items",
    "flickering": "is replacing an item: finds nothing for the first two times",
    "truncating": "gives the first forty bytes of an item",
    "silent to others": "answers the first process that asks, and no other",
    "phantom": "says that it has stored an item, and has not",
}


class Stub:
    """One collection of items, found by their attributes."""

    def __init__(self, mode: str, items_file: Path | None = None) -> None:
        self.mode = mode
        self.locked = mode in {"locked", "dismissed", "hanging"}
        self.items_file = items_file
        self.searches = 0
        self.first_pid = 0
        self.items: dict[str, tuple[dict[str, str], bytes]] = (
            read_items(items_file) if items_file else {}
        )
        self.bus = open_dbus_connection(bus="SESSION")
        self.bus.send_and_get_reply(message_bus.RequestName(_NAME))

    def serve(self) -> None:
        while True:
            call: Message = self.bus.receive()
            if call.header.message_type is MessageType.method_call:
                self.answer(call)

    def is_first(self, sender: str) -> bool:
        """Tell whether a connection belongs to the process that called first."""
        with open_dbus_connection(bus="SESSION") as bus:
            reply = bus.send_and_get_reply(message_bus.GetConnectionUnixProcessID(sender))
        self.first_pid = self.first_pid or reply.body[0]
        return bool(reply.body[0] == self.first_pid)

    def answer(self, call: Message) -> None:
        sender = call.header.fields[HeaderFields.sender]
        if self.mode == "silent" or (self.mode == "silent to others" and not self.is_first(sender)):
            return
        if self.mode == "dead":
            os._exit(1)
        if self.mode == "raising":
            self.bus.send(new_error(call, "org.example.Broken", "s", (f"no: {call.body}",)))
            return
        fields = call.header.fields
        path, member = fields[HeaderFields.path], fields[HeaderFields.member]
        if member == "OpenSession" and call.body[0] != "plain":
            self.bus.send(new_error(call, "org.freedesktop.DBus.Error.NotSupported"))
            return
        signature, body = getattr(self, f"on_{member}")(path, *call.body)
        self.bus.send(new_method_return(call, signature, body))
        if member == "Prompt" and self.mode != "hanging":
            self.complete()

    def complete(self) -> None:
        self.locked = self.mode == "dismissed"
        prompt = DBusAddress(_PROMPT, _NAME, f"{_PREFIX}Prompt")
        self.bus.send(new_signal(prompt, "Completed", "bv", (self.locked, ("ao", []))))

    def on_Get(self, _path: str, _interface: str, name: str) -> tuple[str, Any]:  # noqa: N802
        return "v", ((("b", self.locked) if name == "Locked" else ("s", "a label")),)

    def on_OpenSession(self, _path: str, _name: str, _input: Any) -> tuple[str, Any]:  # noqa: N802
        return "vo", (("s", ""), "/session")

    def on_Unlock(self, _path: str, paths: list[str]) -> tuple[str, Any]:  # noqa: N802
        return "aoo", (([], _PROMPT) if self.locked else (paths, _NONE))

    def on_Prompt(self, _path: str, _window: str) -> tuple[str, Any]:  # noqa: N802
        return "", ()

    def on_SearchItems(self, _path: str, wanted: dict[str, str]) -> tuple[str, Any]:  # noqa: N802
        self.searches += 1
        if self.mode == "missing" or (self.mode == "flickering" and self.searches <= 2):
            return "ao", ([],)
        return "ao", ([p for p, (has, _) in self.items.items() if wanted.items() <= has.items()],)

    def on_CreateItem(  # noqa: N802
        self, _path: str, properties: dict[str, Any], secret: Any, _replace: Any
    ) -> tuple[str, Any]:
        item = f"/org/freedesktop/secrets/collection/c/{len(self.items)}"
        if self.mode != "phantom":
            self.items[item] = (properties[f"{_PREFIX}Item.Attributes"][1], bytes(secret[2]))
        self.keep()
        return "oo", (item, _NONE)

    def on_GetSecret(self, path: str, session: str) -> tuple[str, Any]:  # noqa: N802
        if "slow" in self.mode:
            threading.Event().wait(_SLOW_S if self.mode == "slow" else 4)
        value = self.items[path][1]
        if self.mode == "truncating":
            value = value[:_CUT_BYTES]
        return "(oayays)", ((session, b"", value, "text/plain"),)

    def on_Delete(self, path: str) -> tuple[str, Any]:  # noqa: N802
        del self.items[path]
        self.keep()
        return "o", (_NONE,)

    def keep(self) -> None:
        if self.items_file:
            encoded = {p: (has, base64.b64encode(v).decode()) for p, (has, v) in self.items.items()}
            self.items_file.write_text(json.dumps(encoded), encoding="utf-8")


def read_items(items_file: Path) -> dict[str, tuple[dict[str, str], bytes]]:
    """Return the items in a file; none where there is no file."""
    if not items_file.exists():
        return {}
    encoded = json.loads(items_file.read_text(encoding="utf-8"))
    return {path: (has, base64.b64decode(value)) for path, (has, value) in encoded.items()}


if __name__ == "__main__":
    stub = Stub(sys.argv[1], Path(sys.argv[2]) if len(sys.argv) > 2 else None)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    stub.serve()
