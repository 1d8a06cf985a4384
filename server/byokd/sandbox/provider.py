"""Errors, model lists and echo rules of each provider, read from `providers/*.toml`.

Errors that a file does not define come from `generic.toml`, in the provider's own form.
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
_ERROR_FIELDS: Final = ("message", "type", "code", "param")
_PLACEHOLDER: Final = re.compile(r'"?\{(\w+)\}"?')


@dataclass(frozen=True, slots=True)
class Failure:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class RequestRule:
    """A rule of `echo.py` or `requirements.py`, where it applies, and the error for breaking it.

    `when` names values by pointer: the rule applies to bodies that have one of them at each.
    """

    rule: str
    error: JsonObject
    models: str = ""
    dialect: str = ""
    options: JsonObject | None = None
    when: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """An endpoint beside chats: a fixed body, or one with an `item` for each model."""

    path: str
    body: str
    method: str = "GET"
    item: str = ""
    public: bool = False


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the sandbox imitates a provider.

    Attributes:
        chats: more paths that answer chats, by dialect.
        prefix: of its models' names.
        prefixes: the same by dialect, where another format serves other models.
        families: prefixes of today's models, which are listed too.
        echoes: what the provider requires of its own earlier answers.
        requirements: what it requires of any request.
        shapes: the JSON template of an error by dialect; "" for all others.
        errors: the fields of each error, by its name.
    """

    chats: Mapping[str, str]
    prefix: str
    prefixes: Mapping[str, str]
    families: tuple[str, ...]
    traits: Traits
    listings: tuple[Listing, ...]
    echoes: tuple[RequestRule, ...]
    requirements: tuple[RequestRule, ...]
    shapes: Mapping[str, str]
    errors: Mapping[str, JsonObject]

    def prefix_of(self, dialect: str) -> str:
        return self.prefixes.get(dialect, self.prefix)

    def failure(self, name: str, dialect: str = "", **values: Any) -> Failure:
        """Return the error of this name, its `{placeholders}` filled."""
        return self.error_answer(self.errors[name], dialect, **values)

    def error_answer(self, error: JsonObject, dialect: str = "", **values: Any) -> Failure:
        status = int(values.pop("status", error["status"]))
        fields = {name: _filled(error.get(name), values) for name in _ERROR_FIELDS}
        shape = error.get("body") or self.shapes.get(dialect, self.shapes[""])
        body = _json(shape, fields | {"status": status} | values)
        headers = {"content-type": "application/json", "x-request-id": "req_sandbox"}
        headers |= {
            name: str(_filled(value, fields | values))
            for name, value in (self.errors["headers"] | (error.get("headers") or {})).items()
            if value
        }
        return Failure(status, headers, body)

    def error_name_for_status(self, status: int) -> str:
        """Return the first error with this status, else `server_error`."""
        rows = ((name, row) for name, row in self.errors.items() if "status" in row)
        return next((name for name, row in rows if row["status"] == status), "server_error")

    def list_body(self, listing: Listing) -> bytes:
        if not listing.item:
            return listing.body.encode()
        named = [(self.prefix, model) for model in models.DATA["models"]]
        named += [(family, models.AGENT) for family in self.families]
        items = ",".join(
            _json(listing.item, model | {"id": prefix + model["id"]}).decode()
            for prefix, model in named
        )
        return listing.body.replace('"{models}"', items).encode()


@cache
def behaviour(provider: str) -> Behaviour:
    """Raise `KeyError` for an unknown provider."""
    own, common = _data(provider), _data(GENERIC)
    shapes = {"": own.get("error", common["error"])} | (own.get("error_of") or {})
    errors = {name: row for name, row in (own.get("errors") or {}).items() if name != "headers"}
    headers = (own.get("errors") or {}).get("headers") or {}
    return Behaviour(
        chats=own.get("chats") or {},
        prefix=own.get("prefix", ""),
        prefixes=own.get("prefixes") or {},
        families=tuple(own.get("families", ())),
        traits=Traits(**own.get("traits", {})),
        listings=tuple(Listing(**row) for row in own.get("listings", ())),
        echoes=tuple(RequestRule(**row) for row in own.get("echo", ())),
        requirements=tuple(RequestRule(**row) for row in own.get("requires", ())),
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


def _filled(value: Any, values: Mapping[str, Any]) -> Any:
    if not isinstance(value, str):
        return value
    return _PLACEHOLDER.sub(
        lambda match: match[0].replace(f"{{{match[1]}}}", str(values.get(match[1], ""))), value
    )


def _json(text: str, values: Mapping[str, Any]) -> bytes:
    """Fill a JSON template: `"{name}"` becomes a JSON value, `{name}` within a text is text."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in values:
            return match[0]
        whole = match[0].startswith('"') and match[0].endswith('"')
        written = to_json(values[name]).decode()
        if whole:
            return written
        return match[0].replace(f"{{{name}}}", to_json(str(values[name])).decode()[1:-1])

    filled = _PLACEHOLDER.sub(value, text)
    return to_json(from_json(filled)) if filled.startswith(("{", "[")) else filled.encode()
