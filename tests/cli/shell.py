"""Runs commands of the command line in this process, on one store and one daemon."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from byokd.cli import daemon_options
from byokd.cli.client import Daemon, OnLocked, PromptHandler
from byokd.cli.main import main


class Byokd:
    """Runs commands on one store; records their output and the processes that they start.

    The daemon runs until `restart()`, because a start takes time.
    """

    def __init__(
        self, folder: Path, capture: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch
    ) -> None:
        self.folder, self._capture, self._patch = folder, capture, patch
        self.started: list[str] = []
        self.out = self.err = ""
        self._daemon: Daemon | None = None
        popen = subprocess.Popen

        def recorded(arguments: list[str], **options: Any) -> subprocess.Popen[bytes]:
            environment = options.get("env") or dict(os.environ)
            self.started.append(f"{arguments} {environment}")
            return popen(arguments, **options)

        patch.setattr(subprocess, "Popen", recorded)
        patch.setattr(daemon_options, "Daemon", self._running)

    def __call__(self, command: str, *, stdin: str = "", code: int = 0) -> str:
        """Run one command, check its exit code and return its stdout."""
        self._patch.setattr(sys, "stdin", io.StringIO(stdin))
        exit_code = main(["--data-dir", str(self.folder), *command.split()])
        self.out, self.err = self._capture.readouterr()
        assert exit_code == code, f"{command}\n{self.out}\n{self.err}"
        return self.out

    def restart(self) -> None:
        """End the daemon; the next command starts another."""
        if self._daemon:
            self._daemon.__exit__(None, None, None)
            self._daemon = None

    def _running(
        self,
        arguments: list[str],
        *,
        account: str | None,
        on_prompt: PromptHandler | None,
        on_locked: OnLocked,
    ) -> nullcontext[Daemon]:
        assert on_prompt is None, "a command that asks is run on a terminal"
        if self._daemon and self._daemon.options.account != (account or "default"):
            self.restart()
        self._daemon = (
            self._daemon or Daemon(arguments, account=account, on_locked=on_locked).__enter__()
        )
        return nullcontext(self._daemon)
