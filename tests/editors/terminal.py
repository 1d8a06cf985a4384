"""A program in a terminal of tmux: real keys go in, the screen comes out."""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from waits import WAIT_MAX_S

COLUMNS, ROWS = 120, 70
_READ_BYTES: Final = 65536


class Terminal:
    """A running program. `output` is readable whenever the program has written."""

    def __init__(self, socket: Path, output: int) -> None:
        self._tmux = ["tmux", "-u", "-S", str(socket), "-f", "/dev/null"]
        self._output = output

    def tmux(self, *words: str) -> str:
        done = subprocess.run(
            [*self._tmux, *words], check=True, capture_output=True, encoding="utf-8"
        )
        return done.stdout

    def keys(self, *keys: str) -> None:
        """Press keys by tmux's names, such as `Enter` and `C-c`."""
        self.tmux("send-keys", *keys)

    def type(self, text: str) -> None:
        self.tmux("send-keys", "-l", text)

    def screen(self) -> str:
        return self.tmux("capture-pane", "-p")

    def until(self, *texts: str, times: int = 1) -> str:
        """Wait until all texts are on the screen, so many times at least; return it."""
        return self._wait(
            lambda screen: all(screen.count(text) >= times for text in texts), repr(texts)
        )

    def until_gone(self, text: str) -> str:
        """Wait until a text is no longer on the screen; return it."""
        return self._wait(lambda screen: text not in screen, f"no {text!r}")

    def _wait(self, holds: Callable[[str], bool], what: str) -> str:
        ends_at = time.monotonic() + WAIT_MAX_S
        while not holds(screen := self.screen()):
            ready, _, _ = select.select([self._output], [], [], ends_at - time.monotonic())
            if not ready or not os.read(self._output, _READ_BYTES):
                raise AssertionError(f"{what} is not on the screen:\n{screen}")
        return screen


@contextmanager
def terminal(
    command: Sequence[str], environment: Mapping[str, str], folder: Path
) -> Iterator[Terminal]:
    """Run a command until the end of the context."""
    fifo = folder / "output"
    os.mkfifo(fifo)
    output = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    running = Terminal(folder / "tmux", output)
    variables = [f"{name}={value}" for name, value in environment.items()]
    try:
        running.tmux(
            *("new-session", "-d", "-x", str(COLUMNS), "-y", str(ROWS)),
            *("env", "-i", *variables, *command),
            *(";", "pipe-pane", f"exec cat > {fifo}"),
        )
        yield running
    finally:
        running.tmux("kill-server")
        os.close(output)
