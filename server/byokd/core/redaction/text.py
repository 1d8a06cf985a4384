"""Makes foreign text safe to show."""

from __future__ import annotations

import re
from typing import Final

from byokd.core.limits import PROVIDER_MESSAGE_MAX_BYTES
from byokd.core.redaction.patterns import redact_patterns

# C0 and C1 controls but the line feed, zero-width and bidi controls, lone surrogates.
_CONTROLS: Final = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]+"
)


def clean_text(text: str, max_bytes: int = PROVIDER_MESSAGE_MAX_BYTES) -> str:
    """Remove control characters and likely keys; cut to `max_bytes` of UTF-8."""
    bounded = text[: 2 * max_bytes]
    visible = _CONTROLS.sub(" ", bounded).strip()
    # redacted before the cut: half a key may not be recognised
    return _cut(redact_patterns(visible), max_bytes)


def _cut(text: str, max_bytes: int) -> str:
    encoded = text.encode()
    if len(encoded) <= max_bytes:
        return text
    return encoded[:max_bytes].decode(errors="ignore")
