"""Hardening of a process that holds keys: no core file, no access to its memory, a safe folder."""

from __future__ import annotations

import logging
import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_PR_SET_DUMPABLE: Final = 4
_PT_DENY_ATTACH: Final = 31
_NONE: Final = 0
_PTH_MAX_BYTES: Final = 64 * 1024
_EXPECTED_PTH: Final = frozenset({"distutils-precedence.pth", "_virtualenv.pth"})
"""`.pth` files with code that setuptools and virtualenv put into every environment."""

_log = logging.getLogger(__name__)


def restrict_files() -> None:
    """Make new files private to this user, and disable core files."""
    os.umask(0o077)
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, OSError, ValueError):  # Windows, or the limit may not be changed
        return


def leave_folder() -> None:
    """Change to a folder where no other user can put a file."""
    # the start folder may be a workspace; a process in the root folder blocks no unmount
    os.chdir(os.environ.get("SYSTEMROOT", sys.base_prefix) if sys.platform == "win32" else "/")


def hide_memory() -> bool:
    """Forbid other programs of the same user to read this process; return whether it worked.

    Call it before any key is opened. Not on the path to `initialize`, because it imports ctypes.
    """
    import ctypes

    try:
        if sys.platform == "linux":
            # also protects `/proc/<pid>/environ`, which has the initial environment, and prevents
            # core dumps to a program, which the size limit of core files does not
            library = ctypes.CDLL(None, use_errno=True)
            done: int = library.prctl(_PR_SET_DUMPABLE, _NONE, _NONE, _NONE, _NONE)
        elif sys.platform == "darwin":
            library = ctypes.CDLL(None, use_errno=True)
            done = library.ptrace(_PT_DENY_ATTACH, _NONE, None, _NONE)
        else:  # Windows lets a debugger of the same user attach; nothing can forbid it
            return False
    except (OSError, AttributeError):
        return False
    return done == 0


def start_up_code() -> Iterator[str]:
    """Yield the unexpected files that run code in every start of this Python."""
    # a `.pth` file runs without being imported; one in a published package collected keys
    libraries = Path(sysconfig.get_path("purelib"))
    for path in sorted(libraries.glob("*.pth")):
        if path.name not in _EXPECTED_PTH and _runs_code(path):
            yield str(path)
    for name in ("sitecustomize", "usercustomize"):
        path_text = getattr(sys.modules.get(name), "__file__", None)
        if path_text and Path(path_text).is_relative_to(libraries):
            yield path_text


def warn_of_start_up_code() -> None:
    for path in start_up_code():
        _log.warning("%s runs code in every start of this Python; check where it comes from", path)


def _runs_code(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            text = file.read(_PTH_MAX_BYTES)
    except OSError:
        return True
    return any(line.startswith((b"import ", b"import\t")) for line in text.splitlines())
