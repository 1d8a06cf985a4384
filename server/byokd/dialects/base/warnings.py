"""Collects the warnings of a call that is being encoded."""

from __future__ import annotations

from byokd.protocol.errors import Unsupported
from byokd.protocol.events import Warn


class Warnings:
    """Collects what is not sent as asked; with `strict` the first loss is an error instead."""

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self._warnings: list[Warn] = []

    @property
    def warnings(self) -> tuple[Warn, ...]:
        """The warnings, each once."""
        return tuple(dict.fromkeys(self._warnings))

    def dropped(self, parameter: str, message: str) -> None:
        """Report that something is left out; raises `Unsupported` where strict."""
        self._add("dropped", parameter, message)

    def adjusted(self, parameter: str, message: str) -> None:
        """Report that something is sent otherwise; raises `Unsupported` where strict."""
        self._add("adjusted", parameter, message)

    def notice(self, parameter: str, message: str) -> None:
        """Report a change that loses nothing, strict or not."""
        self._warnings.append(Warn(type="notice", parameter=parameter, message=message))

    def _add(self, kind: str, parameter: str, message: str) -> None:
        if self._strict:
            raise Unsupported(message, details={"parameter": parameter})
        self._warnings.append(Warn(type=kind, parameter=parameter, message=message))
