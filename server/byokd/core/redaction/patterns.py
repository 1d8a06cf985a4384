"""Redacts what looks like a key, as a last protection of logs and errors."""

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
  | (?:[A-Za-z0-9_-]{1,64}\*{3,64}|\*{3,64}(?=[A-Za-z0-9_-]))   # a key that is half masked;
    [A-Za-z0-9*_-]{0,64}                                 # stars alone stay
"""
_KEY_START: Final = r"""
    (?!(?:[gc]?sk[-_]|[pr]k[-_]|xai-|pplx-|hf_|fpk_|fw_|tgp_|cfut_|cfat_|AIza|AQ\.|AKIA|ASIA|ABSK|eyJ))
"""
_ID: Final = rf"""
  | (?P<id>                                              # an id: its start, or a word for it
      (?<![A-Za-z0-9])(?:req|resp|chatcmpl|cmpl|msg|fc|rs|ws|ig|ci|mcp|call|toolu|srvtoolu|gen|run
        |item|evt|trace|span|batch|conv|thread)[_-]{_KEY_START}[A-Za-z0-9_-]{{8,128}}+(?![A-Za-z0-9*])
    | (?i:(?<![A-Za-z0-9])(?:
          (?:request|req|trace|correlation|generation|response|message|item|conversation|span|event
            |activity|operation|log|debug|completion|error|incident|reference|ray|invocation|job
            |tracking|execution|task|batch)[ _-]?id
        | trace|logid|cf-ray|traceparent|reference)[\"'`]?(?:\ ?[:=]|\ \#|\ is|\ of)?\ ?[\"'`(]?)
      {_KEY_START}(?=[A-Za-z_-]{{0,64}}[0-9])[A-Za-z0-9_-]{{8,128}}+(?![A-Za-z0-9*])
    )
"""
_LONG: Final = r"""
  | (?<![A-Za-z0-9])(?=[A-Za-z]{0,64}[0-9])(?=[0-9]{0,64}[A-Za-z])
    [A-Za-z0-9]{32,}(?:\.[A-Za-z0-9]{8,})?               # a long run of letters and digits
  | (?<![A-Za-z0-9+/=])(?=[A-Za-z+/]{0,39}[0-9])(?=[0-9a-z+/]{0,39}[A-Z])(?=[0-9A-Z+/]{0,39}[a-z])
    (?=[A-Za-z0-9]{0,39}[+/])[A-Za-z0-9+/]{40}(?![A-Za-z0-9+/=])   # an AWS secret
"""
_NAMED: Final = r"""
  | (?<=[Kk]ey[=:])["']?[A-Za-z0-9_+/=.-]{16,}           # a value after a word for a key
  | (?<=oken[=:])["']?[A-Za-z0-9_+/=.-]{16,}
  | (?<=ecret[=:])["']?[A-Za-z0-9_+/=.-]{16,}
  | (?<=assword[=:])["']?[^\s"',;]{8,}
  | (?<=assphrase[=:])["']?[^\s"',;]{8,}
  | (?<=[Kk]ey[=:]\ )["']?[A-Za-z0-9_+/=.-]{16,}
  | (?<=oken[=:]\ )["']?[A-Za-z0-9_+/=.-]{16,}
  | (?<=ecret[=:]\ )["']?[A-Za-z0-9_+/=.-]{16,}
"""


def redact_patterns(text: str) -> str:
    """Redact all that may be a key in foreign text; long random words only where they are no id."""
    return _foreign_pattern().sub(_id_or_mask, text)


def _id_or_mask(match: re.Match[str]) -> str:
    return match[0] if match.lastgroup == "id" else MASK


def redact(text: str) -> str:
    """Redact what surely is a key in byokd's own text; ids and digests stay."""
    return _own_pattern().sub(MASK, text)


@cache  # compiled at the first use, which most processes never have
def _foreign_pattern() -> re.Pattern[str]:
    return re.compile(_SURE + _ID + _LONG, re.VERBOSE)


@cache
def _own_pattern() -> re.Pattern[str]:
    return re.compile(_SURE + _NAMED, re.VERBOSE)
