"""The vendors of `vendors.toml`, and how each is asked through byokd and through its own client.

Knows both sides of the comparison. Must not know a conversation, nor judge an answer.
"""

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
from byokd.catalog.surfaces import spoken
from byokd.core.http import HttpHead, HttpRequest
from byokd.core.secret import Secret
from byokd.dialects.base.auth import authorize
from byokd.dialects.base.call import Call, Encoded, Reply
from byokd.dialects.registry import find
from byokd.protocol.chat import SendParams
from differential.answer_summary import AnswerSummary
from differential.conversations import Params

KEY: Final = "sandbox-key-0123456789abcdef"
FIELDS: Final = {"region": "us-east-1"}


@dataclass(frozen=True)
class Difference:
    """A difference that is meant. `at` is a pattern over a place, `rows` one over conversations."""

    at: str
    why: str
    rows: str = ".*"

    def covers(self, row: str, place: str) -> bool:
        """Tell whether this is about that place in that conversation."""
        return bool(re.fullmatch(self.rows, row) and re.fullmatch(self.at, place))


@dataclass(frozen=True)
class Vendor:
    """One row of the table.

    Attributes:
        name: of the row.
        sdk: the adapter under `sdks/`.
        provider: whose record byokd takes.
        dialect: in which format.
        model: asked for all but reasoning.
        base: what the client's base URL has after the host.
        headers: those that must be the same.
        two_spellings: whether a name in snake case is the same as in camel case (protocol buffers).
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
        """Ask through the vendor's own client."""
        sdk: Any = import_module(f"differential.sdks.{self.sdk}")
        said: AnswerSummary = sdk.ask(base + self.base, KEY, model, params, stream=stream)
        return said

    def call(self, base_url: str, model: str, params: Params, *, stream: bool) -> Call:
        """Return the call that byokd makes of the same."""
        record = load()[self.provider]
        asked = {"streamId": "s", "provider": self.provider, "model": model, "cache": "off"}
        sent = SendParams.model_validate(asked | {"stream": stream} | params)
        return Call(spoken(record, model, base_url, self.dialect), base_url, sent, FIELDS)


def vendors() -> Iterator[Vendor]:
    """Yield the rows."""
    table = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
    for name, row in table.items():
        row["requests"] = tuple(Difference(**difference) for difference in row.get("requests", ()))
        yield Vendor(name=name, **row | {"headers": tuple(row["headers"])})


def encoded(call: Call) -> Encoded:
    """Return what byokd sends, without its key."""
    return find(call.provider.dialect).encode(call, 0)


def signed(call: Call, request: HttpRequest) -> HttpRequest:
    """Return a request with its key, as of now: a sandbox looks at the time of a signature."""
    fields: dict[str, Secret | str] = dict(FIELDS)
    fields |= {name.name: Secret(KEY) for name in call.provider.fields if name.secret}
    if fields.get("sessionToken"):
        del fields["sessionToken"]
    return authorize(request, call.provider, fields, time.time_ns() // 1_000_000)


def read(call: Call, head: HttpHead, body: bytes) -> Reply:
    """Return what byokd reads."""
    return chunking.run(find(call.provider.dialect).decoder(call, head), [body])[1]


def places(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each leaf of a body with its JSON pointer; JSON inside a string is a leaf, parsed."""
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
