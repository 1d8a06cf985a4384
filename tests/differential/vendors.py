"""The vendors of `vendors.toml`, and how to send a chat through byokd and through their clients."""

from __future__ import annotations

import contextlib
import json
import re
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import chunking
from byokd.catalog.loader import load
from byokd.catalog.surfaces import choose_surface
from byokd.core.http import HttpHead, HttpRequest
from byokd.core.secret import Secret
from byokd.dialects.base.auth import authorize
from byokd.dialects.base.call import Call, Encoded, Reply
from byokd.dialects.registry import find_dialect
from byokd.protocol.chat import SendParams
from differential.answer_summary import AnswerSummary
from differential.conversations import Params

KEY: Final = "sandbox-key-0123456789abcdef"
FIELDS: Final = {"region": "us-east-1"}


@dataclass(frozen=True)
class Difference:
    """An intended difference; `at` is a pattern for places, `rows` one for conversations."""

    at: str
    why: str
    rows: str = ".*"

    def covers(self, row: str, place: str) -> bool:
        """Return whether this row covers a place in a conversation."""
        return bool(re.fullmatch(self.rows, row) and re.fullmatch(self.at, place))


@dataclass(frozen=True)
class Vendor:
    """One row of the table.

    Attributes:
        name: of the row.
        sdk: the adapter under `sdks/`.
        provider: the record that byokd uses.
        dialect: the API format.
        model: the model of all conversations without reasoning.
        base: the path of the client's base URL.
        headers: headers that must be the same.
        two_spellings: whether snake case and camel case are the same name (protocol buffers).
    """

    name: str
    sdk: str
    provider: str
    dialect: str
    model: str
    base: str
    headers: tuple[str, ...]
    reasoning_model: str = ""
    two_spellings: bool = False
    requests: tuple[Difference, ...] = ()

    def __str__(self) -> str:
        return self.name

    def ask(self, base: str, model: str, params: Params, *, stream: bool) -> AnswerSummary:
        """Send a chat through the vendor's client; return its summary."""
        sdk: Any = import_module(f"differential.sdks.{self.sdk}")
        summary: AnswerSummary = sdk.ask(base + self.base, KEY, model, params, stream=stream)
        return summary

    def call(self, base_url: str, model: str, params: Params, *, stream: bool) -> Call:
        """Return byokd's call for the same chat."""
        record = load()[self.provider]
        chat = {"streamId": "s", "provider": self.provider, "model": model, "cache": "off"}
        sent = SendParams.model_validate(chat | {"stream": stream} | params)
        return Call(choose_surface(record, model, base_url, self.dialect), base_url, sent, FIELDS)


def vendors() -> Iterator[Vendor]:
    """Yield the rows of `vendors.toml`."""
    table = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
    for name, row in table.items():
        row["requests"] = tuple(Difference(**difference) for difference in row.get("requests", ()))
        yield Vendor(name=name, **row | {"headers": tuple(row["headers"])})


def encoded(call: Call) -> Encoded:
    """Return byokd's request without the key."""
    return find_dialect(call.provider.dialect).encode(call, 0)


def signed(call: Call, request: HttpRequest) -> HttpRequest:
    """Return a request with the key, signed now: the sandbox checks the time of a signature."""
    fields: dict[str, Secret | str] = dict(FIELDS)
    fields |= {name.name: Secret(KEY) for name in call.provider.fields if name.secret}
    if fields.get("sessionToken"):
        del fields["sessionToken"]
    return authorize(request, call.provider, fields, time.time_ns() // 1_000_000)


def read(call: Call, head: HttpHead, body: bytes) -> Reply:
    """Return byokd's reply for a body."""
    return chunking.run(find_dialect(call.provider.dialect).decoder(call, head), [body])[1]


def places(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each leaf of a body with its JSON pointer; JSON in a string is one parsed leaf."""
    if isinstance(value, str) and value.startswith("{"):
        with contextlib.suppress(ValueError):
            value = ("JSON", json.loads(value))
    if isinstance(value, dict) and value:
        for name, child in value.items():
            yield from places(child, f"{at}/{name}")
    elif isinstance(value, list) and value:
        for index, child in enumerate(value):
            yield from places(child, f"{at}/{index}")
    else:
        yield at, value
