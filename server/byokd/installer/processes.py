"""Runs the programs of a step, and ends them with the installer."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from byokd.installer.places import WINDOWS
from byokd.installer.report import InstallError

_LAST_LINES = 20


def run(command: list[str], lock: int | None = None) -> str:
    """Run a program and return what it printed. Raises as `output`."""
    return "".join(output(command, lock))


def output(command: list[str], lock: int | None = None) -> Iterator[str]:
    """Run a program and yield the lines that it prints, stderr included.

    Args:
        command: the program and its arguments.
        lock: a descriptor that it inherits, with the lock on it.

    Raises:
        InstallError: it failed; its last lines are on stderr.
    """
    lines: list[str] = []
    with _interrupts.held():
        process = subprocess.Popen(  # noqa: S603  # no shell, and the arguments are our own
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            pass_fds=() if lock is None or WINDOWS else (lock,),
        )
    with process:
        try:
            _interrupts.raise_held()
            for line in process.stdout or ():
                lines.append(line)
                yield line
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        sys.stderr.writelines(lines[-_LAST_LINES:])
        words = " ".join(command[:6])
        raise InstallError(f"{words} …: exit code {process.returncode}", "its output is above")


def end_on_signals() -> None:
    """Let SIGTERM and SIGHUP end the installer, and what it runs, as Ctrl-C does."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None:
            signal.signal(number, _interrupts.take)


class _Interrupts:
    """Raises `KeyboardInterrupt`, but not while a program starts: that one would be left."""

    def __init__(self) -> None:
        self._is_holding = False
        self._is_held = False

    def take(self, _number: int, _frame: FrameType | None) -> None:
        if not self._is_holding:
            raise KeyboardInterrupt
        self._is_held = True

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold signals back until `raise_held`."""
        self._is_holding = True
        try:
            yield
        finally:
            self._is_holding = False

    def raise_held(self) -> None:
        if self._is_held:
            raise KeyboardInterrupt


_interrupts = _Interrupts()
