"""Logging that cannot tell a secret: only our own records are written, and only to stderr.

Knows loggers and the process's last-resort hooks. Every other library is silenced at every level:
pygls logs params and bodies, httpx logs addresses, asyncio logs the text of lost exceptions. Our
own records hold names, sizes, ids and types, never a value that came from outside; what looks like
a key all the same is masked.
"""

from __future__ import annotations

import logging
import os
import select
import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Final

from byokd.core.redaction.patterns import redact
from byokd.rpc.errors import describe

if TYPE_CHECKING:
    import asyncio

_OURS: Final = "byokd"
_RECORD_MAX_BYTES: Final = 2048  # a pipe that polls as writable takes at least this much at once
_STDERR: Final = 2
_log = logging.getLogger("byokd.rpc.logs")


class StderrHandler(logging.Handler):
    """Writes a line to stderr if that is possible at once, and drops it if not.

    A client that never reads our stderr must not stop us, and a closed one is no reason to end.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, without any traceback: its text may quote a value."""
        try:
            said = redact(record.getMessage())
            line = f"byokd {record.levelname.lower()} {record.name}: {said}"
            data = line.replace("\n", " ").encode("utf-8", "replace")[:_RECORD_MAX_BYTES]
            if _writable(_STDERR):
                os.write(_STDERR, data + b"\n")
        except (OSError, ValueError, TypeError):
            return


def set_up(level: str = "warning") -> None:
    """Route our records to stderr and silence everybody else's; safe to call again."""
    logging.raiseExceptions = False
    logging.lastResort = None
    root = logging.getLogger()
    root.handlers[:] = [logging.NullHandler()]
    root.setLevel(logging.CRITICAL)
    ours = logging.getLogger(_OURS)
    ours.handlers[:] = [StderrHandler()]
    ours.propagate = False
    ours.setLevel(level.upper())
    sys.excepthook = _excepthook
    sys.unraisablehook = lambda lost: _report("a destructor failed", lost.exc_value)
    threading.excepthook = lambda lost: _report("a thread failed", lost.exc_value)


def say_why_not(error: Exception) -> None:
    """Tell why the daemon cannot start: an error of ours says so itself, written for a person."""
    ours = type(error).__module__.startswith(f"{_OURS}.")
    _log.error("the daemon cannot start: %s", error if ours else describe(error))


def loop_exception_handler(_loop: asyncio.AbstractEventLoop, news: dict[str, object]) -> None:
    """Log what the loop could not deliver, by type and place."""
    found = news.get("exception")
    _report("the loop found a lost error", found if isinstance(found, BaseException) else None)


def _excepthook(
    _kind: type[BaseException], error: BaseException, _tb: TracebackType | None
) -> None:
    if not isinstance(error, KeyboardInterrupt):
        _report("the daemon failed", error)


def _report(what: str, error: BaseException | None) -> None:
    _log.error("%s: %s", what, describe(error) if error is not None else "no exception")


def _writable(fd: int) -> bool:
    if not hasattr(select, "poll"):
        return True
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return any(events & select.POLLOUT for _, events in poll.poll(0))
