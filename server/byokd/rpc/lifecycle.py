"""From `initialize` to `exit`: which message may come when.

Knows the states of a connection. Must not know what any other method does.
"""

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


class Stage(Enum):
    """How far a connection has come."""

    NEW = auto()
    OPEN = auto()
    SHUT = auto()


class Lifecycle:
    """The state of the one connection."""

    def __init__(self) -> None:
        self.stage = Stage.NEW

    def admit(self, method: str) -> None:
        """Let a request in.

        Raises:
            NotInitialized: something came before `initialize`.
            InvalidRequest: a second `initialize`, or anything after `shutdown`.
        """
        if self.stage is Stage.NEW and method != INITIALIZE:
            raise NotInitialized("send initialize first")
        if self.stage is Stage.OPEN and method == INITIALIZE:
            raise InvalidRequest("initialize was answered already")
        if self.stage is Stage.SHUT:
            raise InvalidRequest("the daemon was shut down; only exit may follow")

    def exit_code(self) -> int:
        """What LSP wants of `exit`: 0 after `shutdown`, else 1."""
        return 0 if self.stage is Stage.SHUT else 1


def read_initialize(params: JsonObject) -> tuple[InitializeParams, ClientOptions]:
    """Read LSP's `initialize` and our part of it.

    A client that knows nothing of us sends options of any shape, an empty array from Neovim among
    them; only an object named `byokd` inside an object is ours. Faults in it are told.

    Raises:
        InvalidParams: ours, or a part of LSP's that we read, is malformed.
    """
    given = params.get("initializationOptions")
    ours = given.get("byokd") if isinstance(given, dict) else None
    known: JsonObject = {name: params.get(name) for name in ("processId", "clientInfo")}
    lsp = check(known, InitializeParams)
    options = check(ours if isinstance(ours, dict) else {}, ClientOptions)
    if options.client_info is None and lsp.client_info is not None:
        options = options.model_copy(update={"client_info": lsp.client_info})
    return lsp, options


def initialize_result(options: ServerOptions) -> Json:
    """Return our answer inside LSP's `InitializeResult`."""
    ours: Json = options.model_dump(mode="json", by_alias=True)
    return {
        "capabilities": {"experimental": {"byokd": ours}},
        "serverInfo": {"name": "byokd", "version": __version__},
    }
