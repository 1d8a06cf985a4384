"""How a process stands that holds keys: no core file, no reader of its memory, no borrowed folder.

Knows the operating system's switches. Must not import anything that `initialize` would wait for;
`hide_memory` loads ctypes, and is called while nobody waits and before any key is opened.
"""

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
"""Files with code that setuptools and virtualenv put into every environment."""

_log = logging.getLogger(__name__)


def stand_alone() -> None:
    """Make every new file for this user only, and leave no core file."""
    os.umask(0o077)
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, OSError, ValueError):  # Windows, or a limit that may not be changed
        return


def leave_folder() -> None:
    """Go where others cannot put a file: what we were started in may be somebody's workspace.

    The root also keeps no disk busy that the person wants to take out.
    """
    os.chdir(os.environ.get("SYSTEMROOT", sys.base_prefix) if sys.platform == "win32" else "/")


def hide_memory() -> bool:
    """Keep other programs of the same user out of our memory; tell whether the system agreed.

    On Linux this also takes away `/proc/<pid>/environ`, which keeps what the process was started
    with, and the core dump to a program, which the size limit does not forbid.
    """
    import ctypes

    try:
        if sys.platform == "linux":
            library = ctypes.CDLL(None, use_errno=True)
            done: int = library.prctl(_PR_SET_DUMPABLE, _NONE, _NONE, _NONE, _NONE)
        elif sys.platform == "darwin":
            library = ctypes.CDLL(None, use_errno=True)
            done = library.ptrace(_PT_DENY_ATTACH, _NONE, None, _NONE)
        else:  # Windows gives a debugger the rights of the user, and there is no switch for it
            return False
    except (OSError, AttributeError):
        return False
    return done == 0


def start_up_code() -> Iterator[str]:
    """Yield the files that ran code in this Python before us and that nobody expects there.

    A `.pth` file is a way to run code in every process of an environment without being imported; a
    package was once published with one that collected keys.
    """
    libraries = Path(sysconfig.get_path("purelib"))
    for path in sorted(libraries.glob("*.pth")):
        if path.name not in _EXPECTED_PTH and _runs_code(path):
            yield str(path)
    for name in ("sitecustomize", "usercustomize"):
        at = getattr(sys.modules.get(name), "__file__", None)
        if at and Path(at).is_relative_to(libraries):
            yield at


def warn_of_start_up_code() -> None:
    """Say which files are unexpected, once."""
    for found in start_up_code():
        _log.warning("%s runs code in every start of this Python; see who put it there", found)


def _runs_code(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            text = file.read(_PTH_MAX_BYTES)
    except OSError:
        return True
    return any(line.startswith((b"import ", b"import\t")) for line in text.splitlines())
