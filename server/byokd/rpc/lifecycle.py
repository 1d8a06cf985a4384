"""The LSP lifecycle, from `initialize` to `exit`: which message is accepted when."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, auto
from itertools import islice
from typing import Final, get_args

from byokd import __version__
from byokd.core.limits import INITIALIZE_WARNINGS_MAX
from byokd.protocol.base import Json, JsonObject, Value
from byokd.protocol.errors import InvalidRequest, NotInitialized
from byokd.protocol.lifecycle import ClientOptions, InitializeParams, ServerOptions
from byokd.rpc.params import check

INITIALIZE: Final = "initialize"
INITIALIZED: Final = "initialized"
SHUTDOWN: Final = "shutdown"
EXIT: Final = "exit"
_PLACE: Final = "initializationOptions.byokd"
_FIELD: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}")
"""Any other name may be anything, also a secret in the wrong place."""

CANCEL: Final = "$/cancelRequest"


class _Stage(Enum):
    NEW = auto()
    OPEN = auto()
    SHUT = auto()


class Lifecycle:
    def __init__(self) -> None:
        self._stage = _Stage.NEW

    @property
    def is_open(self) -> bool:
        return self._stage is _Stage.OPEN

    def open(self) -> None:
        self._stage = _Stage.OPEN

    def shut_down(self) -> None:
        self._stage = _Stage.SHUT

    def admit(self, method: str) -> None:
        """Check that a request may come now.

        Raises:
            NotInitialized: `initialize` has not come yet.
            InvalidRequest: a second `initialize`, or anything after `shutdown`.
        """
        if self._stage is _Stage.NEW and method != INITIALIZE:
            raise NotInitialized("send initialize first")
        if self._stage is _Stage.OPEN and method == INITIALIZE:
            raise InvalidRequest("initialize was answered already")
        if self._stage is _Stage.SHUT:
            raise InvalidRequest("the daemon was shut down; only exit may follow")

    def exit_code(self) -> int:
        return 0 if self._stage is _Stage.SHUT else 1


def read_initialize(
    params: JsonObject,
) -> tuple[InitializeParams, ClientOptions, tuple[str, ...]]:
    """Read LSP's params of `initialize`, byokd's options inside them, and warnings about these.

    Raises:
        InvalidParams: our options, or one of the LSP fields that we read, are malformed.
    """
    # A plain LSP client sends options of any shape (Neovim an empty array): only an object under
    # `byokd` inside an object is checked as ours.
    lsp_options = params.get("initializationOptions")
    byokd_options = lsp_options.get("byokd") if isinstance(lsp_options, dict) else None
    lsp_fields: JsonObject = {name: params.get(name) for name in ("processId", "clientInfo")}
    lsp = check(lsp_fields, InitializeParams)
    sent = byokd_options if isinstance(byokd_options, dict) else {}
    options = check(sent, ClientOptions)
    unknown = islice(_unknown_fields(sent, ClientOptions, _PLACE), INITIALIZE_WARNINGS_MAX)
    warnings = tuple(f"{place} is not known and is ignored" for place in unknown)
    if options.client_info is None and lsp.client_info is not None:
        options = options.model_copy(update={"client_info": lsp.client_info})
    return lsp, options, warnings


def _unknown_fields(sent: JsonObject, kind: type[Value], place: str) -> Iterator[str]:
    """Yield the places of fields that a type does not have; its fields are other types' objects."""
    known = {field.alias or name: field.annotation for name, field in kind.model_fields.items()}
    for name, value in sent.items():
        if name not in known:
            yield f"{place}.{name}" if _FIELD.fullmatch(name) else f"a field of {place}"
            continue
        inner = next((one for one in _types_in(known[name]) if issubclass(one, Value)), None)
        if inner is not None and isinstance(value, dict):
            yield from _unknown_fields(value, inner, f"{place}.{name}")


def _types_in(annotation: object) -> Iterator[type]:
    for one in get_args(annotation) or (annotation,):
        if isinstance(one, type):
            yield one


def initialize_result(options: ServerOptions) -> Json:
    byokd_options: Json = options.model_dump(mode="json", by_alias=True)
    return {
        "capabilities": {"experimental": {"byokd": byokd_options}},
        "serverInfo": {"name": "byokd", "version": __version__},
    }
