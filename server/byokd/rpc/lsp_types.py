"""A stand-in for `lsprotocol.types` while pygls is imported; it saves half a second.

pygls gets its constants by value, and any other name as a reference that imports the real module on
first use.
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


class LazyReference:
    def __init__(self, *path: str) -> None:
        self._path = path

    def resolve(self) -> Any:
        value: Any = _real()
        for name in self._path:
            value = getattr(value, name)
        return value

    def __getattr__(self, name: str) -> LazyReference:
        if name.startswith("__"):  # typing and inspect look these up on every object
            raise AttributeError(name)
        return LazyReference(*self._path, name)

    def __call__(self, *args: object, **kwargs: object) -> Any:
        return self.resolve()(*args, **kwargs)

    def __getitem__(self, key: object) -> Any:
        return self.resolve()[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.resolve())

    def __contains__(self, key: object) -> bool:
        return key in self.resolve()

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, self.resolve())


class StandIn(ModuleType):
    _aside = False

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        # a constant of a newer pygls is read from the real module: slower, but it works
        if self._aside or (name.isupper() and name not in _MAPS and name not in CONSTANTS):
            return getattr(_real(), name)
        return CONSTANTS.get(name) or LazyReference(name)

    def step_aside(self) -> None:
        """Read every name from the real module from now on."""
        self._aside = True


@contextmanager
def standing_in() -> Iterator[None]:
    """Put the stand-in in `sys.modules` for the block, unless the real module is there already."""
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
