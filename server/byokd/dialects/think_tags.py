"""Takes `<think>…</think>` at the start of an answer for what it is: reasoning.

Knows one pair of tags. Must not know which models write it: a record says so. A tag may be cut
anywhere, so what could still become one is held back. Tags further on are the answer's own text.
"""

from __future__ import annotations

from typing import Final, Literal

_OPEN: Final = "<think>"
_CLOSE: Final = "</think>"


class ThinkTags:
    """Splits text into reasoning and text; nothing is added and only the tags are lost."""

    __slots__ = ("_held", "_where")

    def __init__(self) -> None:
        self._held = ""
        self._where: Literal["before", "inside", "after"] = "before"

    def feed(self, delta: str) -> tuple[str, str]:
        """Return the reasoning and the text that are certain now."""
        if self._where == "after":
            return "", delta
        text = self._held + delta
        if self._where == "before":
            begun = text.lstrip()
            if not begun or _OPEN.startswith(begun):
                self._held = text
                return "", ""
            if not begun.startswith(_OPEN):
                self._where, self._held = "after", ""
                return "", text
            self._where, text = "inside", begun.removeprefix(_OPEN)
        thought, closed, rest = text.partition(_CLOSE)
        if closed:
            self._where, self._held = "after", ""
            return thought, rest
        self._held = _may_become(text, _CLOSE)
        return text[: len(text) - len(self._held)], ""

    def close(self) -> tuple[str, str]:
        """Return what was held back."""
        held, self._held = self._held, ""
        return (held, "") if self._where == "inside" else ("", held)


def _may_become(text: str, tag: str) -> str:
    """Return the longest end of `text` that begins `tag`."""
    starts = (tag[:length] for length in range(len(tag) - 1, 0, -1))
    return next((start for start in starts if text.endswith(start)), "")
