"""Collects the warnings of one encoded call.

Knows the kinds of warning, and that `strict` turns the first loss into an error. Must not know why
a dialect warns.
"""

from __future__ import annotations

from byokd.protocol.errors import Unsupported
from byokd.protocol.events import Warn


class Warnings:
    """Collects what was not done as asked; with `strict` the first loss is an error instead."""

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self._warnings: list[Warn] = []

    @property
    def warnings(self) -> tuple[Warn, ...]:
        """What there is to tell, each thing once."""
        return tuple(dict.fromkeys(self._warnings))

    def dropped(self, parameter: str, message: str) -> None:
        """Note that something was left out; raises `Unsupported` where strict."""
        self._note("dropped", parameter, message)

    def adjusted(self, parameter: str, message: str) -> None:
        """Note that something was said differently; raises `Unsupported` where strict."""
        self._note("adjusted", parameter, message)

    def notice(self, parameter: str, message: str) -> None:
        """Note something that loses nothing, strict or not."""
        self._warnings.append(Warn(type="notice", parameter=parameter, message=message))

    def _note(self, kind: str, parameter: str, message: str) -> None:
        if self._strict:
            raise Unsupported(message, details={"parameter": parameter})
        self._warnings.append(Warn(type=kind, parameter=parameter, message=message))
