"""Logging to stderr without secrets: only byokd's records, with names, sizes, ids and types."""

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
    """Writes a line to stderr, or drops it if stderr is full or closed."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record without its traceback, whose text may contain a value."""
        try:
            message = redact(record.getMessage())
            line = f"byokd {record.levelname.lower()} {record.name}: {message}"
            data = line.replace("\n", " ").encode("utf-8", "replace")[:_RECORD_MAX_BYTES]
            if _writable(_STDERR):  # a client that never reads stderr must not block the daemon
                os.write(_STDERR, data + b"\n")
        except (OSError, ValueError, TypeError):
            return


def set_up(level: str = "warning") -> None:
    """Write byokd's records to stderr and silence all others; safe to call again."""
    logging.raiseExceptions = False
    logging.lastResort = None
    # pygls logs params and bodies, httpx addresses, asyncio the text of unhandled exceptions
    root = logging.getLogger()
    root.handlers[:] = [logging.NullHandler()]
    root.setLevel(logging.CRITICAL)
    ours = logging.getLogger(_OURS)
    ours.handlers[:] = [StderrHandler()]
    ours.propagate = False
    ours.setLevel(level.upper())
    sys.excepthook = _excepthook
    sys.unraisablehook = lambda failure: _report("a destructor failed", failure.exc_value)
    threading.excepthook = lambda failure: _report("a thread failed", failure.exc_value)


def log_start_failure(error: Exception) -> None:
    """Log why the daemon cannot start: byokd's own errors with their text, others by type."""
    ours = type(error).__module__.startswith(f"{_OURS}.")
    _log.error("the daemon cannot start: %s", error if ours else describe(error))


def loop_exception_handler(_loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    error = context.get("exception")
    _report("an error was not handled", error if isinstance(error, BaseException) else None)


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
