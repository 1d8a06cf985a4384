"""What a key looks like in running text, whoever's it is: the last net under logs and errors.

Knows shapes only. Must not know any key (`mask` does, while a call runs) or where the text goes.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from byokd.core.secret import MASK

# Each alternative is a fixed start and one greedy class, so a search is linear in the text.
_SURE: Final = r"""
    (?<=[Bb]earer\ )[^\s"',;]{8,}                        # an echoed header
  | (?<![A-Za-z0-9])                                     # a known start, then a digit somewhere
    (?:[gc]?sk[-_]|[pr]k[-_]|xai-|pplx-|hf_|fpk_|fw_|tgp_|cfut_|cfat_|AIza|AQ\.|AKIA|ASIA|ABSK|eyJ)
    (?=[A-Za-z_*.=+/-]{0,80}[0-9])[A-Za-z0-9_*.=+/-]{8,}
  | (?:[A-Za-z0-9_-]{1,64}\*{3,64}|\*{3,64}(?=[A-Za-z0-9_-]))   # a key that was half masked;
    [A-Za-z0-9*_-]{0,64}                                 # stars alone hide nothing and stay
"""
_LONG: Final = r"""
  | (?<![A-Za-z0-9])(?=[A-Za-z]{0,64}[0-9])(?=[0-9]{0,64}[A-Za-z])
    [A-Za-z0-9]{32,}(?:\.[A-Za-z0-9]{8,})?               # a long run of letters and digits
"""
_NAMED: Final = r"""
  | (?<=[Kk]ey[=:])["']?[A-Za-z0-9_+/=.-]{16,}           # what stands behind a word for a key
  | (?<=oken[=:])["']?[A-Za-z0-9_+/=.-]{16,}
  | (?<=ecret[=:])["']?[A-Za-z0-9_+/=.-]{16,}
  | (?<=assword[=:])["']?[^\s"',;]{8,}
  | (?<=assphrase[=:])["']?[^\s"',;]{8,}
  | (?<=[Kk]ey[=:]\ )["']?[A-Za-z0-9_+/=.-]{16,}
  | (?<=oken[=:]\ )["']?[A-Za-z0-9_+/=.-]{16,}
  | (?<=ecret[=:]\ )["']?[A-Za-z0-9_+/=.-]{16,}
"""


def redact_patterns(text: str) -> str:
    """Return a stranger's text with all that may be a key masked, long words without sense too."""
    return _strict().sub(MASK, text)


def redact(text: str) -> str:
    """Return a text of our own with what is surely a key masked; ids and digests stay."""
    return _ours().sub(MASK, text)


@cache  # most processes never need it
def _strict() -> re.Pattern[str]:
    return re.compile(_SURE + _LONG, re.VERBOSE)


@cache
def _ours() -> re.Pattern[str]:
    return re.compile(_SURE + _NAMED, re.VERBOSE)
