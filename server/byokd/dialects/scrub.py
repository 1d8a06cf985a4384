"""Makes a stranger's words safe to show: no control characters, no key shapes, bounded.

Knows what a key looks like in running text. Must not know whose words they are. The vault masks the
one key it knows; this masks what any key looks like, because a provider may echo another one.
"""

from __future__ import annotations

import re
from typing import Final

from byokd.limits import PROVIDER_MESSAGE_MAX_BYTES
from byokd.secret import MASK

# C0 and C1 controls but the line feed, zero-width and bidi controls, lone surrogates.
_CONTROLS: Final = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]+"
)

# Each alternative is a fixed start and one greedy class, so a search is linear in the text.
_KEY_SHAPES: Final = re.compile(
    r"""
    (?<=[Bb]earer\ )[^\s"',;]{8,}                        # an echoed header
  | (?<![A-Za-z0-9])                                     # a known start, then a digit somewhere
    (?:[gc]?sk[-_]|[pr]k[-_]|xai-|pplx-|hf_|fpk_|fw_|tgp_|cfut_|cfat_|AIza|AQ\.|AKIA|ASIA|ABSK|eyJ)
    (?=[A-Za-z_*.=+/-]{0,80}[0-9])[A-Za-z0-9_*.=+/-]{8,}
  | (?:[A-Za-z0-9_-]{1,64}\*{3,64}|\*{3,64}(?=[A-Za-z0-9_-]))   # a key that was half masked;
    [A-Za-z0-9*_-]{0,64}                                 # stars alone hide nothing and stay
  | (?<![A-Za-z0-9])(?=[A-Za-z]{0,64}[0-9])(?=[0-9]{0,64}[A-Za-z])
    [A-Za-z0-9]{32,}(?:\.[A-Za-z0-9]{8,})?               # a long run of letters and digits
    """,
    re.VERBOSE,
)


def scrub(text: str, max_bytes: int = PROVIDER_MESSAGE_MAX_BYTES) -> str:
    """Return the text without control characters and key shapes, cut to `max_bytes` of UTF-8.

    Masking goes before cutting, so that a key never loses its recognisable half to the cut.
    """
    bounded = text[: 2 * max_bytes]  # a key longer than the bound is cut away with the rest
    visible = _CONTROLS.sub(" ", bounded).strip()
    return _cut(_KEY_SHAPES.sub(MASK, visible), max_bytes)


def _cut(text: str, max_bytes: int) -> str:
    encoded = text.encode()
    if len(encoded) <= max_bytes:
        return text
    return encoded[:max_bytes].decode(errors="ignore")
