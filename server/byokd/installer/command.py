"""The file that starts byokd. It names an environment, and is replaced at once or not at all."""

from __future__ import annotations

import contextlib
import os
import shlex
import stat
from pathlib import Path

from byokd.installer.places import WINDOWS
from byokd.installer.report import InstallError

START = "-I -X utf8 -m byokd"
"""Arguments of Python that start byokd, isolated from the person's Python settings and packages."""

NOTE = "byokd's installer wrote this file, and `byokd uninstall` removes it"
_MAX_BYTES = 65_536


def command_text(python: str, note: str, *, windows: bool = WINDOWS) -> str:
    """Return the text of a command that starts byokd with this Python."""
    if not windows:
        return f'#!/bin/sh\n# {note}\nexec {shlex.quote(python)} {START} "$@"\n'
    base = os.environ.get("LOCALAPPDATA", "")
    if base and python.startswith(base + "\\"):  # cmd.exe reads no UTF-8, and a name may need it
        python = "%LOCALAPPDATA%" + python[len(base) :]
    # `exit` on the same line: cmd.exe would read on in the file, which may be replaced by then
    return f'@rem {note}\r\n@"{python}" {START} %* & exit /b\r\n'


def write_command(path: Path, python: str, note: str) -> None:
    """Write the command, with its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, os.fsencode(command_text(python, note)), mode=0o755)


def replace_file(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a file under another name, and give it its name when it is on disk."""
    scratch = path.with_name(path.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        scratch.unlink()
    with scratch.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    scratch.chmod(mode)
    scratch.replace(path)


def own_command(path: Path) -> bytes | None:
    """Return the text of the command if the installer wrote it, else None."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return None
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES)
    except FileNotFoundError:
        return None
    return text if NOTE.encode() in text else None


def require_own_command(path: Path) -> None:
    """Raise `InstallError` if another program has the name of the command."""
    if os.path.lexists(path) and own_command(path) is None:
        link = f", a link to {path.readlink()}," if path.is_symlink() else ""
        raise InstallError(
            f"{path}{link} is not from this installer, and is not replaced",
            "move it away and try again; nothing was changed",
        )
