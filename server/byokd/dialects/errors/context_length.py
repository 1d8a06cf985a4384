"""Reads from an error's words whether a conversation is too long, or only its output cap too large.

Providers state the context limit, the tokens of the conversation and the output cap in many
wordings; each number is recognized by the words beside it. The arithmetic must confirm a reading,
so that numbers of another kind decide nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from byokd.core.limits import ANSWER_MIN_TOKENS

_SEPARATOR: Final = re.compile(r"(?<=\d)[,_](?=\d{3}(?!\d))")
_N: Final = r"(?<![\d.])(\d{1,9})(?![\d.]*\d)"
_CAP_NAME: Final = r"max_(?:completion_|output_|new_|gen_)?tokens|maxoutputtokens|maxtokens"

_SUMS: Final = (
    # input, cap, limit: "180000 + 32000 > 200000"
    (re.compile(rf"{_N} ?\+ ?{_N} ?(?:= ?\d+ ?)?> ?{_N}"), ("input", "cap", "limit")),
    # cap, limit, input: "(64000 > 20000 - 16614)"
    (re.compile(rf"{_N} ?> ?{_N} ?- ?{_N}"), ("cap", "limit", "input")),
)

_LIMIT: Final = (
    rf"(?:{_CAP_NAME})\W{{0,3}} must be <= ?{_N}",
    rf"maximum number of (?:input )?tokens allowed[^\d.]{{0,4}}{_N}",
    (
        rf"(?:context|model|sequence|(?:maximum|max) (?:prompt|input|token|position))[ _]?"
        r"(?:length|window|size|len|limit)s?\b"
        rf"(?:(?!\bgot\b|\brequest|\bcontains\b|\bresulted\b)[^\d.>]){{0,48}}{_N}"
    ),
    rf"\bn_ctx\b[^\d.]{{0,12}}{_N}",
    rf"{_N} (?:tokens? )?(?:maximum\b|context|limit\b)",
    rf"(?:token )?limit\b[^\d.]{{0,12}}{_N}",
    rf"(?:can ?not|must not|should not|may not|not) exceed\b[^\d.]{{0,48}}{_N}",
    (
        rf"(?:exceed(?:s|ed|ing)?|above|over|greater than|more than|larger than|longer than)\b"
        rf"[^\d.]{{0,48}}\b(?:maximum|limit|max|allowed)\b[^\d.]{{0,24}}{_N}"
    ),
    rf"\bmax(?:imum)?(?: (?:of|is|allowed))?\W{{1,4}}{_N}",
)

_PARTS: Final = (
    (
        rf"{_N} (?:tokens? )?(?:in|of|from|for) (?:the |your )?(?:messages?|prompts?|inputs?|"
        r"functions|tools?|text|images?|audio|system|chat|conversation|history)(?! length)\b"
    ),
    rf"{_N} of (?:text|tool|image|audio|video|file|document|cached) input",
    rf"{_N} (?:`?inputs?`?|prompt|context) tokens\b",
)
"""Parts of the conversation, which are added up."""

_INPUT: Final = (
    (
        r"(?:prompt|input|messages?|request|conversation)s? (?:that )?(?:contains?|has|have|is|was|"
        r"of|with|resulted in|result in|uses?|totals?|consists? of)\b"
        rf"[^\d.]{{0,20}}{_N}(?! output| max)"
    ),
    (
        r"(?<!maximum )(?<!max )(?:prompt|input|messages?)(?: sequence)?[ _]"
        r"(?:length|len|size|tokens?|token count)\b"
        rf"(?: of| is| was)?\W{{0,4}}{_N}"
    ),
    rf"(?:prompt|input|request)(?:_tokens)?(?: ?\((?:length )?|: ?|=){_N}",
    rf"(?:prompt|input) is {_N}",
    rf"(?:prompt|input|conversation) is too long\W{{1,3}}{_N}",
    rf"number of (?:input|prompt) tokens\W{{0,4}}{_N}",
    rf"passed {_N}",
    rf"keep the first {_N}",
    rf"n_prompt_tokens\W{{1,4}}{_N}",
)

_CAP: Final = (
    rf"requested {_N} (?:output|completion|new) tokens",
    (
        rf"{_N} (?:tokens? )?(?:in|for|of) (?:the |your )?"
        r"(?:completion|output|response|answer|generation|reply)\b"
    ),
    rf"{_N} [`'\"]?(?:{_CAP_NAME})\b",
    (
        rf"(?:{_CAP_NAME})\b[`'\"]?(?: or [`'\"]?(?:{_CAP_NAME})[`'\"]?)?"
        rf"(?: is too large| value| parameter)?(?: of| is| was)?[^\w<>+.]{{0,4}}{_N}"
    ),
    rf"generating {_N}",
    rf"{_N} (?:requested |max(?:imum)? )?(?:output|completion|generated|new|generation) tokens",
    rf"(?<!maximum )(?:output|completion|generation)(?: tokens?| length)?(?: of| is)?\W{{1,4}}{_N}",
)

_TOTAL: Final = (
    rf"input and (?:maximum )?output tokens\W{{1,3}}{_N}",
    (
        r"(?:requested|asked for|require[sd]?|needs?)(?: tokens)?\W{1,2}"
        rf"(?:(?:about|a total of|approximately|around|up to) )?{_N}"
        r"(?! (?:output|completion|new|input|prompt)\b)"
    ),
    rf"total(?: of| is| tokens?)?\W{{1,3}}(?:at least )?{_N}",
    rf"current length is {_N}",
    rf"requires a (?:sequence|context) length of {_N}",
)

_TOPIC: Final = re.compile(
    r"\b(?:context|tokens?|prompt|max_model_len|n_ctx|sequence length|input length|messages)\b"
)
_AT_LEAST: Final = re.compile(r"(?:contains?|input|prompt)[^.\d]{0,24}at least \d")
_CUT_COUNT_SHARE: Final = 32
"""Servers that count only until a prompt cannot fit (vLLM since 2026) never say that it is longer
than the limit. If a cap of less than this fraction of the limit does not fit, it is too long."""


@dataclass(frozen=True, slots=True)
class ContextError:
    """What an error states of a request that is too long.

    Attributes:
        limit: the tokens that conversation and answer may have together.
        left: the tokens that remain for the answer; None if the error does not tell.
        excess: by how many tokens a smaller output cap would have fitted.
        too_long: the conversation itself does not fit; None if only the sent cap can decide it.
    """

    limit: int
    left: int | None
    excess: int
    too_long: bool | None


def read_context_error(message: str) -> ContextError | None:
    """Return what the message states, or None if its numbers do not decide."""
    text = _SEPARATOR.sub("", message).lower()
    if not _TOPIC.search(text):
        return None
    numbers = _by_sum(text) or _by_words(text)
    limit, used, cap, total = (numbers.get(name) for name in ("limit", "input", "cap", "total"))
    if limit is None or limit <= 0:
        return None
    if used is None and total is not None and cap is not None and total > cap:
        used = total - cap
    if used is None:
        if total is None or total <= limit:
            return None
        return ContextError(limit, None, total - limit, too_long=None)
    return _decided(limit, used, cap, counted=_AT_LEAST.search(text) is None)


def _decided(limit: int, used: int, cap: int | None, *, counted: bool) -> ContextError | None:
    left = limit - used
    if left < ANSWER_MIN_TOKENS:
        # A conversation below the limit, without a cap, is not what was refused.
        return ContextError(limit, None, 0, too_long=True) if left <= 0 or cap else None
    if cap is None or cap <= left:
        return None
    too_long = not counted and cap * _CUT_COUNT_SHARE <= limit
    return ContextError(limit, None if too_long else left, cap - left, too_long=too_long)


def _by_sum(text: str) -> dict[str, int]:
    for pattern, names in _SUMS:
        if match := pattern.search(text):
            return dict(zip(names, map(int, match.groups()), strict=True))
    return {}


def _by_words(text: str) -> dict[str, int]:
    """Return the numbers by what they count; each number counts one thing."""
    taken: set[int] = set()
    numbers: dict[str, int] = {}
    if (cap := _first(_CAP, text, taken)) is not None:
        numbers["cap"] = cap
    if parts := [*_all(_PARTS, text, taken)]:
        numbers["input"] = sum(parts)
    elif (used := _first(_INPUT, text, taken)) is not None:
        numbers["input"] = used
    if (total := _first(_TOTAL, text, taken)) is not None:
        numbers["total"] = total
    if (limit := _first(_LIMIT, text, taken)) is not None:
        numbers["limit"] = limit
    return numbers


def _first(patterns: tuple[str, ...], text: str, taken: set[int]) -> int | None:
    return next((n for pattern in patterns for n in _all((pattern,), text, taken)), None)


def _all(patterns: tuple[str, ...], text: str, taken: set[int]) -> Iterator[int]:
    for pattern in patterns:
        for match in _compiled(pattern).finditer(text):
            if match.start(1) not in taken:
                taken.add(match.start(1))
                yield int(match[1])


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
