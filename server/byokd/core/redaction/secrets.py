"""Hides a call's secrets in whatever comes back: providers and gateways echo the key they got.

Knows the secrets of one call in the spellings that programs make of them by accident, and text that
arrives in pieces. Must not know what the text means, nor outlive the call: it holds keys in clear.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from typing import Final
from urllib.parse import quote

from byokd.core.limits import KEY_MIN_CHARS, MASKED_TAIL_MIN_CHARS
from byokd.core.secret import MASK, Secret

_BEGIN_CHARS: Final = 3
_LONG_CHARS: Final = 8192  # from here on, looking for whole secrets first is several times as fast
_URL_SAFE: Final = str.maketrans("+/", "-_")


class SecretRedactor:
    """Replaces every occurrence of some secrets by `***`.

    A secret is known as it is, URL-encoded, as the inside of a JSON string, and in the middle of
    base64 text at each of the three alignments. One shorter than any key may be an ordinary word,
    and is left alone. A text that ends in the midst of a secret loses that end, too.
    """

    __slots__ = ("_begin", "_begins", "_ends", "_spellings")

    def __init__(self, secrets: Iterable[Secret]) -> None:
        known = {
            spelling
            for secret in secrets
            for spelling in _spellings(secret.reveal())
            if len(spelling) >= KEY_MIN_CHARS
        }
        # The longest first: where one secret begins another, the longer one is hidden.
        self._spellings = sorted(known, key=len, reverse=True)
        self._begins = sorted({spelling[:_BEGIN_CHARS] for spelling in known})
        self._ends = {begin[:size] for begin in self._begins for size in range(1, _BEGIN_CHARS)}
        self._begin = _begin_of(self._begins)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to hide."""
        return self._begin is None

    def is_free(self, text: str) -> bool:
        """Tell, for a fraction of what `scan` takes, that no secret begins in a text.

        It may say no of a text that has none.
        """
        for begin in self._begins:
            if begin in text:
                return False
        return text[-1:] not in self._ends and text[1 - _BEGIN_CHARS :] not in self._ends

    def hide(self, text: str) -> str:
        """Return a whole text with the secrets masked."""
        return self.scan(text, whole=True)[0]

    def scan(self, text: str, *, whole: bool) -> tuple[str, str]:
        """Return what of a text may be shown, masked, and its end that may yet become a secret.

        Args:
            text: whatever was held before, and more.
            whole: nothing follows; then nothing is held.
        """
        # Nearly every text has no place where a secret could begin, and is done here.
        if self._begin is None or self.is_free(text):
            return text, ""
        found = self._begin.search(text)
        if len(text) > _LONG_CHARS and not any(each in text for each in self._spellings):
            return self._scan_end(text, whole=whole)
        shown: list[str] = []
        at = 0
        while found is not None:
            start = found.start()
            size, may_grow = self._secret_at(text, start, whole=whole)
            if may_grow:
                return "".join([*shown, text[at:start]]), text[start:]
            if size:
                shown += (text[at:start], MASK)
                at = start + size
            found = self._begin.search(text, at if size else start + 1)
        return ("".join([*shown, text[at:]]) if shown else text), ""

    def _scan_end(self, text: str, *, whole: bool) -> tuple[str, str]:
        """Scan a text without any whole secret: only its end can matter."""
        cut = max(0, len(text) - min(len(self._spellings[0]), _LONG_CHARS))
        end = text[cut:]
        shown, held = self.scan(end, whole=whole)
        return (text if shown == end else text[:cut] + shown), held

    def _secret_at(self, text: str, start: int, *, whole: bool) -> tuple[int, bool]:
        """Return how much of a secret begins here, and whether more text could make it longer."""
        left = len(text) - start
        for spelling in self._spellings:
            if left >= len(spelling):
                if text.startswith(spelling, start):
                    return len(spelling), False
            elif spelling.startswith(text[start:]):
                if not whole:
                    return 0, True
                if left >= MASKED_TAIL_MIN_CHARS:
                    return left, False
        return 0, False


class Flow:
    """One text in pieces. What may be the beginning of a secret is held until it is known.

    `masked` tells whether the last call found one.
    """

    __slots__ = ("_mask", "held", "masked")

    def __init__(self, mask: SecretRedactor) -> None:
        self._mask = mask
        self.held = ""
        self.masked = False

    def feed(self, piece: str) -> str:
        """Return what can be shown now; the very piece, where it has nothing to do with secrets."""
        text = self.held + piece if self.held else piece
        shown, self.held = self._mask.scan(text, whole=False)
        self.masked = shown is not text and shown + self.held != text
        return shown

    def end(self) -> str:
        """Return what was held, masked if it is enough of a secret."""
        shown = self._mask.hide(self.held)
        self.masked, self.held = shown != self.held, ""
        return shown


def _spellings(text: str) -> Iterator[str]:
    yield text
    for kept in ("", "/"):
        encoded = quote(text, safe=kept)
        yield encoded
        yield re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), encoded)
    inner = json.dumps(text)[1:-1]
    yield inner
    yield inner.replace("/", "\\/")
    yield inner.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    raw = text.encode()
    for skipped in range(3):
        # Base64 writes three bytes as four letters; the letters that share a byte with what stands
        # before or after the secret are not known.
        begin = (0, 2, 3)[skipped]
        end = (skipped + len(raw)) * 4 // 3
        middle = b64encode(bytes(skipped) + raw).decode()[begin:end]
        yield middle
        yield middle.translate(_URL_SAFE)


def _begin_of(begins: Sequence[str]) -> re.Pattern[str] | None:
    """Find where a secret may begin: its first characters, or fewer of them at the very end.

    No more of a secret than that: `re` keeps what it compiled for the life of the process.
    """
    if not begins:
        return None
    ways = [
        rf"(?<={re.escape(begin[0])})(?:{re.escape(begin[1])}(?:{re.escape(begin[2:])}|\Z)|\Z)"
        for begin in begins
    ]
    # A pattern that starts with one class of characters is searched for five times as fast.
    first = "".join(sorted({re.escape(begin[0]) for begin in begins}))
    return re.compile(f"[{first}](?:{'|'.join(ways)})")
