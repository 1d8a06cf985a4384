"""What the installer says: sentences for a person, or JSON lines for a program."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path


class InstallError(Exception):
    """A step failed: what, and what the person can do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Report:
    """Prints sentences to stderr, or JSON lines to stdout; see the package for their form."""

    def __init__(self, *, as_json: bool = False) -> None:
        self._as_json = as_json

    def step(self, step: str, message: str) -> None:
        self._write(message, type="step", step=step, message=message)

    def note(self, message: str) -> None:
        self._write(message, type="note", message=message)

    def packages(self, done: int, total: int) -> None:
        self._write(None, type="packages", done=done, total=total)

    def done(self, message: str, *, version: str, command: Path, on_path: bool) -> None:
        facts = {"version": version, "command": str(command), "onPath": on_path}
        self._write(message, type="done", message=message, **facts)

    def error(self, error: InstallError) -> None:
        if self._as_json:
            self._write(None, type="error", message=str(error), hint=error.hint)
            return
        sys.stderr.write(f"error: {error}\nhint: {error.hint}\n")

    def _write(self, text: str | None, **fields: object) -> None:
        with contextlib.suppress(BrokenPipeError):  # the reader has ended: the work goes on
            if self._as_json:
                sys.stdout.write(json.dumps(fields) + "\n")
                sys.stdout.flush()
            elif text is not None:
                sys.stderr.write(f"byokd: {text}\n")
                sys.stderr.flush()
