"""Which of the editors are installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import cache
from typing import Final

from source_tree import ROOT

_OLDEST: Final = (0, 9)
_PRIVATE: Final = ROOT / ".venv" / "neovim" / "bin" / "nvim"
"""Where `python3 tests --long` installs a Neovim of its own."""


def neovim() -> str:
    """Return the Neovim of the tests: `$BYOKD_NVIM`, else their own one, else that on PATH."""
    if chosen := os.environ.get("BYOKD_NVIM"):
        return chosen
    return str(_PRIVATE) if _PRIVATE.exists() else shutil.which("nvim") or "nvim"


@cache
def neovim_problem() -> str | None:
    """Return why the plugin for Neovim cannot run here, or None."""
    if not shutil.which(neovim()):
        return "nvim is not installed"
    done = subprocess.run([neovim(), "--version"], check=True, capture_output=True, text=True)
    version = re.match(r"NVIM v(\d+)\.(\d+)", done.stdout)
    assert version, done.stdout
    if (int(version[1]), int(version[2])) < _OLDEST:
        return f"this is Neovim {version[1]}.{version[2]}; 0.9 or newer is installed by --long"
    return None
