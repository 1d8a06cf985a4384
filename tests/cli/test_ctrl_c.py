"""Ctrl-C in `byokd chat`: real processes on a real terminal, which sends the signal itself."""

from __future__ import annotations

import asyncio
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from byokd.sandbox import Sandbox
from sandbox_env import GENERIC, KEY
from waits import WAIT_MAX_S

if sys.platform == "win32":
    pytest.skip("terminals are POSIX here", allow_module_level=True)

import fcntl
import pty
import termios

CTRL_C, CTRL_D = b"\x03", b"\x04"
MODEL = "sandbox-paced-20hz-100000"
"""An answer of more than an hour."""


class RunningSandbox:
    def __init__(self, sandbox: Sandbox, portal: BlockingPortal) -> None:
        self.base_url = sandbox.base_url
        self._sandbox = sandbox
        self._portal = portal

    def chats_left(self) -> int:
        """Wait until every chat ended; return how many the client left."""
        return self._portal.call(self._chats_left)

    async def _chats_left(self) -> int:
        chats = [request for request in self._sandbox.requests if request.model == MODEL]
        async with asyncio.timeout(WAIT_MAX_S):
            while any(chat.ended_at is None for chat in chats):  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(0)
        return sum(chat.client_left for chat in chats)


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Sandbox(keys=[KEY])) as provider,
    ):
        yield RunningSandbox(provider, portal)


@pytest.fixture
def folder(tmp_path: Path, sandbox: RunningSandbox) -> Path:
    """Return a data folder whose vault has a key for the sandbox."""
    for command, stdin in (
        ("vault init --protection keyFile --accept-risk keyFile", ""),
        (f"keys add {GENERIC} --base-url {sandbox.base_url} --stdin", KEY),
    ):
        subprocess.run(_byokd(tmp_path, command), input=stdin, text=True, check=True)
    return tmp_path


def _byokd(folder: Path, command: str) -> list[str]:
    return [sys.executable, "-m", "byokd", "--data-dir", str(folder), *command.split()]


class Terminal:
    """One command in the foreground of its own terminal."""

    def __init__(self, folder: Path, command: str) -> None:
        self.output = ""
        self._read = 0
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            _byokd(folder, command),
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - a system call
        )  # fmt: skip
        os.close(slave)

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def until(self, text: str) -> None:
        """Wait until this text was written after the one before."""
        while text not in self.output[self._read :]:
            assert self._read_more(), self.output
        self._read = self.output.index(text, self._read) + len(text)

    def end(self) -> int:
        """Return the exit code."""
        while self._read_more():
            pass
        os.close(self._master)
        return self.process.wait(WAIT_MAX_S)

    def _read_more(self) -> bool:
        if not select.select([self._master], [], [], WAIT_MAX_S)[0]:
            self.process.kill()
            pytest.fail(f"the output stopped after: {self.output}")
        try:
            data = os.read(self._master, 4096)
        except OSError:  # Linux says so when the other end is closed
            data = b""
        self.output += data.decode()
        return bool(data)


def test_ctrl_c_ends_the_answer_and_the_daemon_reports_it(
    folder: Path, sandbox: RunningSandbox
) -> None:
    terminal = Terminal(folder, f"chat {GENERIC} {MODEL} hello")
    terminal.until("word")
    terminal.type(CTRL_C)
    terminal.until("cancelled")  # the daemon's own result, with what is known of usage
    terminal.until("interrupted")
    assert terminal.end() == 130
    assert "the daemon ended" not in terminal.output
    assert sandbox.chats_left() == 1


def test_ctrl_c_does_not_end_the_conversation(folder: Path, sandbox: RunningSandbox) -> None:
    terminal = Terminal(folder, f"chat {GENERIC} {MODEL}")
    for _ in range(2):
        terminal.until("you> ")
        terminal.type(b"hello\n")
        terminal.until("word")
        terminal.type(CTRL_C)
        terminal.until("cancelled")
    terminal.until("you> ")
    terminal.type(CTRL_D)
    assert terminal.end() == 0
    assert "the daemon ended" not in terminal.output
    assert sandbox.chats_left() == 2
