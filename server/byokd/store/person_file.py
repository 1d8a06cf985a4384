"""Whether a file that the person wrote may be followed: nobody else can have changed it.

On Windows access lists protect the profile folder, so everything is trusted there.
"""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

_POSIX = os.name == "posix"


def distrust(path: Path, *, secret: bool = False) -> str | None:
    """Return why a file is not followed, with the command that mends it; None if it may be.

    The file, and the folders of its name and of a link's target, must belong to the person or to
    root, and nobody else may write to them. A `secret` file may not be readable for others, too. A
    file that does not exist, or cannot be reached, is for its reader to report.
    """
    if not _POSIX:
        return None
    try:
        target = path.resolve(strict=True)
        places = dict.fromkeys((path.parent, target.parent, target))
        reasons = [_reason(place, place.stat()) for place in places]
        if secret:
            reasons.append(_readable(target, target.stat()))
    except (OSError, RuntimeError):  # a link that leads to itself
        return None
    return next((reason for reason in reasons if reason is not None), None)


def _reason(path: Path, status: os.stat_result) -> str | None:
    if status.st_uid not in {0, os.geteuid()}:
        return f"{path} belongs to another user: make a file and a folder of your own"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"{path} can be written by other users: run chmod go-w {_quoted(path)}"
    return None


def _readable(path: Path, status: os.stat_result) -> str | None:
    # root's file can be readable for a group, or the person could not read it
    private, command = (0o007, "o-rwx") if status.st_uid != os.geteuid() else (0o077, "600")
    if status.st_mode & private:
        return f"{path} can be read by other users: run chmod {command} {_quoted(path)}"
    return None


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
