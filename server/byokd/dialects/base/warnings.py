"""The warnings of a call that is being encoded."""

from __future__ import annotations

from byokd.protocol.errors import Unsupported
from byokd.protocol.events import Warn


class Warnings:
    """Collects what is not sent as requested; with `strict` the first loss raises `Unsupported`."""

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self._warnings: list[Warn] = []

    @property
    def warnings(self) -> tuple[Warn, ...]:
        """The warnings, each once."""
        return tuple(dict.fromkeys(self._warnings))

    def dropped(self, parameter: str, message: str) -> None:
        """Report that something is omitted."""
        self._add("dropped", parameter, message)

    def adjusted(self, parameter: str, message: str) -> None:
        """Report that something is sent in another form."""
        self._add("adjusted", parameter, message)

    def lowered(self, parameter: str, message: str) -> None:
        """Report that a value of byokd's own is sent lower: the client loses nothing it set."""
        self._warnings.append(Warn(type="adjusted", parameter=parameter, message=message))

    def notice(self, parameter: str, message: str) -> None:
        """Report a change that loses nothing; never raises."""
        self._warnings.append(Warn(type="notice", parameter=parameter, message=message))

    def _add(self, kind: str, parameter: str, message: str) -> None:
        if self._strict:
            raise Unsupported(message, details={"parameter": parameter})
        self._warnings.append(Warn(type=kind, parameter=parameter, message=message))
