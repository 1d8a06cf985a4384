"""A stand-in for `lsprotocol.types` while pygls is imported.

Knows which names pygls reads from that module when it is imported. The real module defines 600
attrs classes, which costs half a second, and the door uses none of them: method names are strings
and its messages are its own. So pygls gets constants by value and everything else by promise; a
promise that is ever kept imports the real module. Once pygls is in, the stand-in is taken out of
`sys.modules` again, and whoever imports `lsprotocol.types` gets the real one.

A constant that is not listed here comes from the real module, so a newer pygls starts more slowly
instead of failing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any, Final

_NAME: Final = "lsprotocol.types"
_MAPS: Final = frozenset({"ALL_TYPES_MAP", "METHOD_TO_TYPES"})

CONSTANTS: Final = {
    "CANCEL_REQUEST": "$/cancelRequest",
    "EXIT": "exit",
    "INITIALIZE": "initialize",
    "INITIALIZED": "initialized",
    "NOTEBOOK_DOCUMENT_DID_CHANGE": "notebookDocument/didChange",
    "NOTEBOOK_DOCUMENT_DID_CLOSE": "notebookDocument/didClose",
    "NOTEBOOK_DOCUMENT_DID_OPEN": "notebookDocument/didOpen",
    "SET_TRACE": "$/setTrace",
    "SHUTDOWN": "shutdown",
    "TEXT_DOCUMENT_DID_CHANGE": "textDocument/didChange",
    "TEXT_DOCUMENT_DID_CLOSE": "textDocument/didClose",
    "TEXT_DOCUMENT_DID_OPEN": "textDocument/didOpen",
    "TEXT_DOCUMENT_DID_SAVE": "textDocument/didSave",
    "TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL": "textDocument/semanticTokens/full",
    "TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL_DELTA": "textDocument/semanticTokens/full/delta",
    "TEXT_DOCUMENT_SEMANTIC_TOKENS_RANGE": "textDocument/semanticTokens/range",
    "WINDOW_WORK_DONE_PROGRESS_CANCEL": "window/workDoneProgress/cancel",
    "WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS": "workspace/didChangeWorkspaceFolders",
    "WORKSPACE_DID_CREATE_FILES": "workspace/didCreateFiles",
    "WORKSPACE_DID_DELETE_FILES": "workspace/didDeleteFiles",
    "WORKSPACE_DID_RENAME_FILES": "workspace/didRenameFiles",
    "WORKSPACE_EXECUTE_COMMAND": "workspace/executeCommand",
    "WORKSPACE_WILL_CREATE_FILES": "workspace/willCreateFiles",
    "WORKSPACE_WILL_DELETE_FILES": "workspace/willDeleteFiles",
    "WORKSPACE_WILL_RENAME_FILES": "workspace/willRenameFiles",
}


class Promise:
    """A name of the real module, looked up when something is done with it."""

    def __init__(self, *path: str) -> None:
        self._path = path

    def kept(self) -> Any:
        """Import the real module and return what the name stands for there."""
        found: Any = _real()
        for name in self._path:
            found = getattr(found, name)
        return found

    def __getattr__(self, name: str) -> Promise:
        if name.startswith("__"):  # what typing and inspect ask every object for
            raise AttributeError(name)
        return Promise(*self._path, name)

    def __call__(self, *args: object, **kwargs: object) -> Any:
        """Keep the promise, and call what it stands for."""
        return self.kept()(*args, **kwargs)

    def __getitem__(self, key: object) -> Any:
        return self.kept()[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.kept())

    def __contains__(self, key: object) -> bool:
        return key in self.kept()

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, self.kept())


class StandIn(ModuleType):
    """`lsprotocol.types`, as far as importing pygls needs it; afterwards, a way to the real one."""

    _aside = False

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if self._aside or (name.isupper() and name not in _MAPS and name not in CONSTANTS):
            return getattr(_real(), name)
        return CONSTANTS.get(name) or Promise(name)

    def step_aside(self) -> None:
        """Answer from the real module from now on: pygls is in, and whoever asks now means it."""
        self._aside = True


@contextmanager
def standing_in() -> Iterator[None]:
    """Put the stand-in in place of the real module, unless that is there already."""
    if _NAME in sys.modules:
        yield
        return
    stand_in = sys.modules[_NAME] = StandIn(_NAME)
    try:
        yield
    finally:
        stand_in.step_aside()
        if sys.modules.get(_NAME) is stand_in:
            del sys.modules[_NAME]


def _real() -> ModuleType:
    if isinstance(sys.modules.get(_NAME), StandIn):
        del sys.modules[_NAME]
    return import_module(_NAME)
