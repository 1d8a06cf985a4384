"""Which of the editors are installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import Final

_OLDEST: Final = (0, 9)


def neovim_problem() -> str | None:
    """Return why the plugin for Neovim cannot run here, or None."""
    if (program := shutil.which("nvim")) is None:
        return "nvim is not installed"
    done = subprocess.run([program, "--version"], check=True, capture_output=True, text=True)
    version = re.match(r"NVIM v(\d+)\.(\d+)", done.stdout)
    assert version, done.stdout
    if (int(version[1]), int(version[2])) < _OLDEST:
        return f"this is Neovim {version[1]}.{version[2]}; the plugin needs 0.9 or newer"
    return None
