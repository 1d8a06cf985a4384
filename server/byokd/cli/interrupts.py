"""Ctrl-C while a request runs: the first one cancels the request, the second ends the command."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupt:
    """Whether the person pressed Ctrl-C and nothing was done about it yet."""

    def __init__(self) -> None:
        self.pressed = False

    def take(self) -> bool:
        pressed, self.pressed = self.pressed, False
        return pressed


@contextmanager
def first_interrupt(wake: Callable[[], None]) -> Iterator[Interrupt]:
    """Keep the first Ctrl-C inside the `with` block from raising, and call `wake`.

    So it cannot strike in the middle of a line or a frame. The second one raises
    `KeyboardInterrupt`, as does each one outside the main thread's block.
    """
    interrupt = Interrupt()
    count = 0

    def handle(_number: int, _frame: FrameType | None) -> None:
        nonlocal count
        count += 1
        if count > 1:
            raise KeyboardInterrupt
        interrupt.pressed = True
        wake()

    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    before = signal.signal(signal.SIGINT, handle)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)
