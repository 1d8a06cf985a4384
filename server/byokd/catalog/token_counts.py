"""Estimates how many tokens a text has, from what it consists of and not from a vocabulary.

The weights and the numbers of each family of models are in `token_counts.toml`, with their source.
"""

from __future__ import annotations

import re
import string
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Final

from pydantic import BaseModel, ConfigDict

from byokd.catalog.record import Day

# The first bytes of characters in UTF-8, by script.
_SCRIPTS: Final[Mapping[str, Iterable[int]]] = {
    "latin": range(0xC0, 0xCE),
    "greek": range(0xCE, 0xD0),
    "cyrillic": range(0xD0, 0xD4),
    "semitic": range(0xD4, 0xE0),
    "indic": range(0xE0, 0xE2),
    "symbol": (0xE2, 0xEE, 0xEF),
    "kana": (0xE3,),
    "han": range(0xE4, 0xEA),
    "hangul": range(0xEA, 0xEE),
    "emoji": range(0xF0, 0x100),
}
_SPACED: Final = ("latin", "greek", "cyrillic", "semitic", "indic")
"""Scripts whose letters form words between spaces."""

_SPACE: Final = ord(" ")
_INSIDE: Final = 1  # the class of the further bytes of a character
_FIRST_SCRIPT: Final = 0x80


def _byte_table(classes: Mapping[int, Iterable[int]]) -> bytes:
    """Return a table for `bytes.translate`: the class of each byte, else a space."""
    table = bytearray([_SPACE]) * 256
    for number, members in classes.items():
        for byte in members:
            table[byte] = number
    return bytes(table)


_CODES: Final = {name: _FIRST_SCRIPT + index for index, name in enumerate(_SCRIPTS)}
_LETTERS: Final = string.ascii_letters.encode()
_DIGITS: Final = string.digits.encode()
_SIGNS: Final = string.punctuation.encode()
_LETTER, _DIGIT, _SIGN, _LINE = b"a1.\n"

_CLASSES: Final = _byte_table(
    {_LETTER: _LETTERS, _DIGIT: _DIGITS, _SIGN: _SIGNS, _LINE: b"\n", _INSIDE: range(0x80, 0xC0)}
    | {_CODES[name]: members for name, members in _SCRIPTS.items()}
)
_WORDS: Final = _byte_table({_LETTER: [_LETTER, *(_CODES[name] for name in _SPACED)]})
_NUMBERS: Final = _byte_table({_DIGIT: [_DIGIT]})
_SIGN_RUNS: Final = _byte_table({_SIGN: [_SIGN]})
_LONG_WORD: Final = re.compile(rb"a{9,}")
_PIECE_CHARS: Final = 1 << 16


class Weights(BaseModel):
    """Tokens for one of each part of a text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    word: float
    long_word: float
    letter: float
    number: float
    digit: float
    sign: float
    signs: float
    line: float
    latin: float
    greek: float
    cyrillic: float
    semitic: float
    indic: float
    symbol: float
    kana: float
    han: float
    hangul: float
    emoji: float


class Family(BaseModel):
    """The numbers of a family of models, in tokens; `text` and `tool_text` are factors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    models: str  # regular expression, searched in the model id in lower case
    weights: str = "bytePairs"
    text: float = 1.0
    tool_text: float = 1.0
    request: float = 0
    message: float = 0
    tools: float = 0
    tool: float = 0
    thinking: float = 0
    image: float = 1000
    page: float = 1000


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    checked: Day
    weights: dict[str, Weights]
    families: tuple[Family, ...]


def family_of(model: str) -> Family:
    """Return the first family that fits a model id; the last one fits every id."""
    lowered = model.lower()
    return next(family for family in _table().families if re.search(family.models, lowered))


def text_tokens(text: str, family: Family) -> float:
    """Return the estimated tokens of a text. Takes about a millisecond for 40 kB."""
    # In pieces, because each call below keeps every other thread from running until it returns.
    pieces = (text[start : start + _PIECE_CHARS] for start in range(0, len(text), _PIECE_CHARS))
    weights = _table().weights[family.weights]
    return family.text * sum(_piece_tokens(piece, weights) for piece in pieces)


def _piece_tokens(text: str, weights: Weights) -> float:
    encoded = text.encode("utf-8", "surrogatepass")
    parts = encoded.translate(_CLASSES)
    if text.isascii():
        inner, scripts = parts, 0.0
    else:
        inner = parts.translate(None, bytes([_INSIDE]))
        scripts = sum(inner.count(code) * getattr(weights, name) for name, code in _CODES.items())
    count = inner.count
    return (
        scripts
        + len(inner.translate(_WORDS).split()) * weights.word
        + len(_LONG_WORD.findall(inner)) * weights.long_word
        + count(_LETTER) * weights.letter
        + len(inner.translate(_NUMBERS).split()) * weights.number
        + count(_DIGIT) * weights.digit
        + count(_SIGN) * weights.sign
        + len(inner.translate(_SIGN_RUNS).split()) * weights.signs
        + count(_LINE) * weights.line
    )


@cache
def _table() -> _Table:
    text = files("byokd.catalog").joinpath("token_counts.toml").read_text(encoding="utf-8")
    return _Table.model_validate(tomllib.loads(text))
