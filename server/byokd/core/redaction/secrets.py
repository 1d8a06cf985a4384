"""Redacts the secrets of one call from text.

A redactor holds keys in clear and must not outlive its call.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from typing import Final
from urllib.parse import quote

from byokd.core.limits import KEY_MIN_CHARS, REDACTED_TAIL_MIN_CHARS
from byokd.core.secret import MASK, Secret

_BEGIN_CHARS: Final = 3
_LONG_CHARS: Final = 8192  # above this, searching whole secrets first is several times faster
_URL_SAFE: Final = str.maketrans("+/", "-_")


class SecretRedactor:
    """Replaces secrets by `***`: plain, URL-encoded, in JSON strings, and in base64 text.

    Secrets shorter than any key may be ordinary words and are ignored. The beginning of a secret at
    the end of a cut text is redacted, too.
    """

    __slots__ = ("_begin", "_begins", "_ends", "_spellings")

    def __init__(self, secrets: Iterable[Secret]) -> None:
        known = {
            spelling
            for secret in secrets
            for spelling in _spellings(secret.reveal())
            if len(spelling) >= KEY_MIN_CHARS
        }
        # The longest first: a secret may begin with a shorter one.
        self._spellings = sorted(known, key=len, reverse=True)
        self._begins = sorted({spelling[:_BEGIN_CHARS] for spelling in known})
        self._ends = {begin[:size] for begin in self._begins for size in range(1, _BEGIN_CHARS)}
        self._begin = _begin_of(self._begins)

    @property
    def is_empty(self) -> bool:
        return self._begin is None

    def is_clean(self, text: str) -> bool:
        """Return False if a secret may begin in the text; much faster than `scan`."""
        for begin in self._begins:
            if begin in text:
                return False
        return text[-1:] not in self._ends and text[1 - _BEGIN_CHARS :] not in self._ends

    def redact(self, text: str) -> str:
        """Return a complete text without the secrets."""
        return self.scan(text, whole=True)[0]

    def scan(self, text: str, *, whole: bool) -> tuple[str, str]:
        """Return the redacted text, and its end if that may begin a secret.

        If the text is `whole`, the returned end is empty.
        """
        if self._begin is None or self.is_clean(text):  # nearly every text
            return text, ""
        match = self._begin.search(text)
        if len(text) > _LONG_CHARS and not any(spelling in text for spelling in self._spellings):
            return self._scan_end(text, whole=whole)
        shown: list[str] = []
        at = 0
        while match is not None:
            start = match.start()
            size, may_grow = self._secret_at(text, start, whole=whole)
            if may_grow:
                return "".join([*shown, text[at:start]]), text[start:]
            if size:
                shown += (text[at:start], MASK)
                at = start + size
            match = self._begin.search(text, at if size else start + 1)
        return ("".join([*shown, text[at:]]) if shown else text), ""

    def _scan_end(self, text: str, *, whole: bool) -> tuple[str, str]:
        cut = max(0, len(text) - min(len(self._spellings[0]), _LONG_CHARS))
        end = text[cut:]
        shown, held = self.scan(end, whole=whole)
        return (text if shown == end else text[:cut] + shown), held

    def _secret_at(self, text: str, start: int, *, whole: bool) -> tuple[int, bool]:
        """Return the length of the secret at `start`, and whether the text may end inside one."""
        left = len(text) - start
        for spelling in self._spellings:
            if left >= len(spelling):
                if text.startswith(spelling, start):
                    return len(spelling), False
            elif spelling.startswith(text[start:]):
                if not whole:
                    return 0, True
                if left >= REDACTED_TAIL_MIN_CHARS:
                    return left, False
        return 0, False


class IncrementalRedactor:
    """Redacts one text in pieces.

    `held` may be the beginning of a secret; `redacted` is whether the last call redacted anything.
    """

    __slots__ = ("_redactor", "held", "redacted")

    def __init__(self, redactor: SecretRedactor) -> None:
        self._redactor = redactor
        self.held = ""
        self.redacted = False

    def feed(self, piece: str) -> str:
        """Return the text that can be shown now; `piece` itself if nothing is redacted."""
        text = self.held + piece if self.held else piece
        shown, self.held = self._redactor.scan(text, whole=False)
        self.redacted = shown is not text and shown + self.held != text
        return shown

    def end(self) -> str:
        """Return the held end, redacted if it is enough of a secret."""
        shown = self._redactor.redact(self.held)
        self.redacted = shown != self.held
        self.held = ""
        return shown


def _spellings(text: str) -> Iterator[str]:
    yield text
    for unquoted in ("", "/"):
        encoded = quote(text, safe=unquoted)
        yield encoded
        yield re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), encoded)
    inner = json.dumps(text)[1:-1]
    yield inner
    yield inner.replace("/", "\\/")
    yield inner.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    raw = text.encode()
    for skipped in range(3):
        # Base64 writes three bytes as four letters. The letters that share a byte with the text
        # before or after the secret depend on that text, and are left out.
        begin = (0, 2, 3)[skipped]
        end = (skipped + len(raw)) * 4 // 3
        middle = b64encode(bytes(skipped) + raw).decode()[begin:end]
        yield middle
        yield middle.translate(_URL_SAFE)


def _begin_of(begins: Sequence[str]) -> re.Pattern[str] | None:
    """Return a pattern for the first characters of a secret, or fewer at the text's end."""
    if not begins:
        return None
    # no more of a secret than this: `re` caches patterns as long as the process runs
    alternatives = [
        rf"(?<={re.escape(begin[0])})(?:{re.escape(begin[1])}(?:{re.escape(begin[2:])}|\Z)|\Z)"
        for begin in begins
    ]
    # A pattern that starts with a character class is searched five times faster.
    first = "".join(sorted({re.escape(begin[0]) for begin in begins}))
    return re.compile(f"[{first}](?:{'|'.join(alternatives)})")
