"""Checks the label that a person gives a key."""

from __future__ import annotations

import re
from typing import Final

from byokd.protocol.errors import InvalidParams

_UNSEEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
)
"""Controls, line breaks, and characters that hide or turn round the others; joiners stay."""


def checked_label(label: str | None) -> str | None:
    """Return a label without spaces around it; None stays.

    Raises:
        InvalidParams: it is empty, or has a line break or a character that is not shown.
    """
    if label is None:
        return None
    text = label.strip()
    if not text:
        raise _refusal("a label has at least one character; leave it out instead", "is empty")
    if _UNSEEN.search(text):
        raise _refusal(
            "a label is one line of visible characters; leave out line breaks and controls",
            "has a line break or a control character",
        )
    return text


def _refusal(text: str, reason: str) -> InvalidParams:
    return InvalidParams(text, details=[{"pointer": "/label", "reason": reason}])
