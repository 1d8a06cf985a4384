"""A Secret Service of a few methods on a private bus: a desktop keyring on the wire.

Knows the D-Bus calls that a client of one collection makes. Run as a program; the argument is
`open`, `locked` (a prompt is answered), `dismissed` or `hanging` (a prompt is never answered).
"""

from __future__ import annotations

import sys
from typing import Any

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


class Stub:
    """One collection, whose items are named by their attributes."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.locked = mode != "open"
        self.items: dict[str, tuple[dict[str, str], bytes]] = {}
        self.bus = open_dbus_connection(bus="SESSION")
        self.bus.send_and_get_reply(message_bus.RequestName(_NAME))

    def serve(self) -> None:
        while True:
            call: Message = self.bus.receive()
            if call.header.message_type is MessageType.method_call:
                self.answer(call)

    def answer(self, call: Message) -> None:
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
        return "ao", ([p for p, (has, _) in self.items.items() if wanted.items() <= has.items()],)

    def on_CreateItem(  # noqa: N802
        self, _path: str, properties: dict[str, Any], secret: Any, _replace: Any
    ) -> tuple[str, Any]:
        item = f"/org/freedesktop/secrets/collection/c/{len(self.items)}"
        self.items[item] = (properties[f"{_PREFIX}Item.Attributes"][1], bytes(secret[2]))
        return "oo", (item, _NONE)

    def on_GetSecret(self, path: str, session: str) -> tuple[str, Any]:  # noqa: N802
        return "(oayays)", ((session, b"", self.items[path][1], "text/plain"),)

    def on_Delete(self, path: str) -> tuple[str, Any]:  # noqa: N802
        del self.items[path]
        return "o", (_NONE,)


if __name__ == "__main__":
    stub = Stub(sys.argv[1])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    stub.serve()
