"""The LSP lifecycle, from `initialize` to `exit`: which message is accepted when."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from byokd import __version__
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.errors import InvalidRequest, NotInitialized
from byokd.protocol.lifecycle import ClientOptions, InitializeParams, ServerOptions
from byokd.rpc.params import check

INITIALIZE: Final = "initialize"
INITIALIZED: Final = "initialized"
SHUTDOWN: Final = "shutdown"
EXIT: Final = "exit"
CANCEL: Final = "$/cancelRequest"


class _Stage(Enum):
    NEW = auto()
    OPEN = auto()
    SHUT = auto()


class Lifecycle:
    """The state of the connection."""

    def __init__(self) -> None:
        self._stage = _Stage.NEW

    @property
    def is_open(self) -> bool:
        """Whether `initialize` was answered and `shutdown` has not come."""
        return self._stage is _Stage.OPEN

    def open(self) -> None:
        """Accept requests: `initialize` was answered."""
        self._stage = _Stage.OPEN

    def shut_down(self) -> None:
        """Accept nothing but `exit`."""
        self._stage = _Stage.SHUT

    def admit(self, method: str) -> None:
        """Check that a request may come now.

        Raises:
            NotInitialized: something came before `initialize`.
            InvalidRequest: a second `initialize`, or anything after `shutdown`.
        """
        if self._stage is _Stage.NEW and method != INITIALIZE:
            raise NotInitialized("send initialize first")
        if self._stage is _Stage.OPEN and method == INITIALIZE:
            raise InvalidRequest("initialize was answered already")
        if self._stage is _Stage.SHUT:
            raise InvalidRequest("the daemon was shut down; only exit may follow")

    def exit_code(self) -> int:
        """Return the exit code for `exit`, as LSP defines it: 0 after `shutdown`, else 1."""
        return 0 if self._stage is _Stage.SHUT else 1


def read_initialize(params: JsonObject) -> tuple[InitializeParams, ClientOptions]:
    """Return LSP's params of `initialize` and byokd's options inside them.

    A plain LSP client sends `initializationOptions` of any shape (Neovim an empty array). Only an
    object under `byokd` inside an object is checked as our options.

    Raises:
        InvalidParams: our options, or one of the LSP fields that we read, are malformed.
    """
    lsp_options = params.get("initializationOptions")
    byokd_options = lsp_options.get("byokd") if isinstance(lsp_options, dict) else None
    lsp_fields: JsonObject = {name: params.get(name) for name in ("processId", "clientInfo")}
    lsp = check(lsp_fields, InitializeParams)
    options = check(byokd_options if isinstance(byokd_options, dict) else {}, ClientOptions)
    if options.client_info is None and lsp.client_info is not None:
        options = options.model_copy(update={"client_info": lsp.client_info})
    return lsp, options


def initialize_result(options: ServerOptions) -> Json:
    """Return LSP's `InitializeResult` with our options inside."""
    byokd_options: Json = options.model_dump(mode="json", by_alias=True)
    return {
        "capabilities": {"experimental": {"byokd": byokd_options}},
        "serverInfo": {"name": "byokd", "version": __version__},
    }
