"""Makes a stranger's words safe to show: no control characters, no key shapes, bounded.

Knows what acts instead of being shown. Must not know whose words they are. `mask` hides the keys of
the call; this hides what any key looks like, because a provider may echo another one.
"""

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
    """Return the text without control characters and key shapes, cut to `max_bytes` of UTF-8.

    Masking goes before cutting, so that a key never loses its recognisable half to the cut.
    """
    bounded = text[: 2 * max_bytes]  # a key longer than the bound is cut away with the rest
    visible = _CONTROLS.sub(" ", bounded).strip()
    return _cut(redact_patterns(visible), max_bytes)


def _cut(text: str, max_bytes: int) -> str:
    encoded = text.encode()
    if len(encoded) <= max_bytes:
        return text
    return encoded[:max_bytes].decode(errors="ignore")
