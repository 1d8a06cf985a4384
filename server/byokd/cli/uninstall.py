"""`byokd uninstall`: hands over to the installer, run by the Python under the environment."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

import click

from byokd.cli import terminal

_RUN = (
    "import sys, runpy; sys.path.append(sys.argv.pop(1));"
    " runpy.run_module('byokd.installer', run_name='__main__')"
)


@click.command()
def uninstall() -> int:
    """Remove byokd; your keys are kept unless you confirm their deletion."""
    base = getattr(sys, "_base_executable", None) or sys.executable
    libraries = sysconfig.get_path("purelib")
    if not (Path(sys.prefix) / "byokd-installed.txt").exists():
        terminal.fail("this byokd was not installed by its installer", f"it runs from {sys.prefix}")
        return 1
    command = [base, "-I", "-S", "-X", "utf8", "-c", _RUN, libraries, "uninstall"]
    if sys.platform != "win32":
        os.execv(base, command)  # noqa: S606  # no shell; the process lets go of its environment
    # there, a program that runs cannot be removed
    terminal.say("run this in another window: " + " ".join(f'"{word}"' for word in command))
    return 0
