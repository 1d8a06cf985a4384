"""How each provider behaves beside its answers: errors, model lists, and what it wants back.

Knows the shape of `providers/*.toml`, one file for each record of the catalog. Must not know any
one provider, nor HTTP. What a file leaves out is as in `generic.toml`, in the provider's own form
of an error.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

from pydantic_core import from_json, to_json

from byokd.sandbox import models
from byokd.sandbox.turn import JsonObject, Traits

GENERIC: Final = "generic"
_WORDS: Final = ("message", "type", "code", "param")
_NAMED: Final = re.compile(r'"?\{(\w+)\}"?')


@dataclass(frozen=True, slots=True)
class Failure:
    """An error answer: status, headers and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Echo:
    """A rule about what must come back: its name, where it holds, and how a breach is told."""

    rule: str
    error: JsonObject
    models: str = ""
    dialect: str = ""
    options: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """A GET that is answered: a fixed body, or one with the models put in at `list`."""

    path: str
    body: str
    method: str = "GET"
    item: str = ""
    public: bool = False


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a provider does.

    Attributes:
        chats: further paths that answer chats, by dialect.
        prefix: what stands before `sandbox-` in the models it lists.
        traits: how it speaks a format that others speak too.
        listings: what it answers beside chats.
        echoes: what it wants back.
        shapes: the form of an error by dialect, "" for all others.
        errors: what goes into the form, by the name of the error.
    """

    chats: Mapping[str, str]
    prefix: str
    traits: Traits
    listings: tuple[Listing, ...]
    echoes: tuple[Echo, ...]
    shapes: Mapping[str, str]
    errors: Mapping[str, JsonObject]

    def failure(self, name: str, dialect: str = "", **words: Any) -> Failure:
        """Return the error of that name, its `{placeholders}` filled with `words`."""
        return self.told(self.errors[name], dialect, **words)

    def told(self, error: JsonObject, dialect: str = "", **words: Any) -> Failure:
        """Return an error from its row."""
        status = int(words.pop("status", error["status"]))
        given = {name: _filled(error.get(name), words) for name in _WORDS}
        shape = error.get("body") or self.shapes.get(dialect, self.shapes[""])
        body = _json(shape, given | {"status": status} | words)
        headers = {"content-type": "application/json", "x-request-id": "req_sandbox"}
        headers |= {
            name: str(_filled(value, given | words))
            for name, value in (self.errors["headers"] | (error.get("headers") or {})).items()
            if value
        }
        return Failure(status, headers, body)

    def by_status(self, status: int) -> str:
        """Return the name of the first error with that status, or of the plainest."""
        rows = ((name, row) for name, row in self.errors.items() if "status" in row)
        return next((name for name, row in rows if row["status"] == status), "server_error")

    def listed(self, listing: Listing) -> bytes:
        """Return what a listing answers."""
        if not listing.item:
            return listing.body.encode()
        items = ",".join(
            _json(listing.item, model | {"id": self.prefix + model["id"]}).decode()
            for model in models.DATA["models"]
        )
        return listing.body.replace('"{models}"', items).encode()


@cache
def behaviour(provider: str) -> Behaviour:
    """Return what a provider does.

    Raises:
        KeyError: there is no such provider.
    """
    own, common = _data(provider), _data(GENERIC)
    shapes = {"": own.get("error", common["error"])} | (own.get("error_of") or {})
    errors = {name: row for name, row in (own.get("errors") or {}).items() if name != "headers"}
    headers = (own.get("errors") or {}).get("headers") or {}
    return Behaviour(
        chats=own.get("chats") or {},
        prefix=own.get("prefix", ""),
        traits=Traits(**own.get("traits", {})),
        listings=tuple(Listing(**row) for row in own.get("listings", ())),
        echoes=tuple(Echo(**row) for row in own.get("echo", ())),
        shapes=shapes,
        errors={"headers": headers} | errors | {
            name: row for name, row in common["errors"].items() if name not in errors
        },
    )  # fmt: skip


def _data(provider: str) -> JsonObject:
    file = resources.files(__package__).joinpath("providers", f"{provider}.toml")
    if not re.fullmatch(r"[a-z0-9-]{1,64}", provider) or not file.is_file():
        raise KeyError(provider)
    return tomllib.loads(file.read_text("utf-8"))


def _filled(value: Any, words: Mapping[str, Any]) -> Any:
    """Return a text with its `{placeholders}` filled; anything else as it is."""
    if not isinstance(value, str):
        return value
    return _NAMED.sub(
        lambda found: found[0].replace(f"{{{found[1]}}}", str(words.get(found[1], ""))), value
    )


def _json(text: str, words: Mapping[str, Any]) -> bytes:
    """Return JSON text with `"{name}"` as the JSON of a word, and `{name}` within text as text."""

    def value(found: re.Match[str]) -> str:
        name = found[1]
        if name not in words:
            return found[0]
        whole = found[0].startswith('"') and found[0].endswith('"')
        written = to_json(words[name]).decode()
        if whole:
            return written
        return found[0].replace(f"{{{name}}}", to_json(str(words[name])).decode()[1:-1])

    filled = _NAMED.sub(value, text)
    return to_json(from_json(filled)) if filled.startswith(("{", "[")) else filled.encode()
