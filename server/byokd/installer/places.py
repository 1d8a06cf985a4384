"""Where the files of one person are. Creates and opens none of them."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

WINDOWS = sys.platform == "win32"


@dataclass(frozen=True)
class Places:
    """The files of one person.

    Attributes:
        command: the file that starts byokd: the install place of `protocol.md`.
        data: holds the keys and the audit log, as `byokd.store.paths` says.
        state: holds key files, anchors and caches.
        config: holds the settings.
    """

    command: Path
    data: Path
    state: Path
    config: Path

    @property
    def program(self) -> Path:
        """Holds the environments."""
        return self.data / "program"

    @property
    def lock(self) -> Path:
        """Locked while something is installed or removed."""
        return self.program / "install.lock"


def places(platform: str = sys.platform) -> Places:
    """Return the places for this person on this platform."""
    home = Path.home()
    if platform == "win32":
        data = state = config = _folder("LOCALAPPDATA", home / "AppData" / "Local") / "byokd"
    elif platform == "darwin":
        data = state = config = home / "Library" / "Application Support" / "byokd"
    else:
        data = _folder("XDG_DATA_HOME", home / ".local" / "share") / "byokd"
        state = _folder("XDG_STATE_HOME", home / ".local" / "state") / "byokd"
        config = _folder("XDG_CONFIG_HOME", home / ".config") / "byokd"
    name = "byokd.cmd" if platform == "win32" else "byokd"
    own_state = state if state != data else data / "state"
    return Places(home / ".local" / "bin" / name, data, own_state, config)


def _folder(variable: str, default: Path) -> Path:
    folder = Path(os.environ.get(variable, ""))
    return folder if folder.is_absolute() else default


def python_of(environment: Path) -> Path:
    """Return the Python of a virtual environment."""
    return environment / ("Scripts/python.exe" if WINDOWS else "bin/python")
