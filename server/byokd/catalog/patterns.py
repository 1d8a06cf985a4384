"""Checks a regular expression that comes from outside: whether it compiles, and how slow it can be.

Python's `re` backtracks and cannot be stopped. A pattern that can take exponential time on a text,
or a high power of its length, is refused by its structure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib import import_module
from itertools import combinations, starmap
from typing import Any, Final, TypeAlias

from byokd.core.limits import (
    CATALOG_PATTERN_BROAD_REPEATS_MAX,
    CATALOG_PATTERN_MAX_CHARS,
    CATALOG_PATTERN_REPEATS_MAX,
    CATALOG_PATTERN_SPLITS_MAX,
)

_Item: TypeAlias = tuple[Any, Any]
_Body: TypeAlias = Sequence[_Item]
_Characters: TypeAlias = frozenset[str]

_parser: Any = import_module("re._parser")  # no public module parses a pattern
_SAMPLE: Final = (*map(chr, range(128)), "\u00e9", "\u4e2d")
_BROAD: Final = len(_SAMPLE) * 2 // 3
_WIDE: Final = 128  # a repeat of fewer multiplies the time by a constant
_FEW: Final = 8
_REPEATS: Final = frozenset({"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"})
_NESTED: Final = _REPEATS | {
    *("SUBPATTERN", "BRANCH", "ASSERT", "ASSERT_NOT", "ATOMIC_GROUP", "GROUPREF_EXISTS")
}
_PATTERNS_KEPT: Final = 1024  # twice those of the package; the next file has most of them, too


@lru_cache(maxsize=_PATTERNS_KEPT)
def pattern_fault(pattern: str) -> str | None:
    """Return why a pattern is refused, or None."""
    if len(pattern) > CATALOG_PATTERN_MAX_CHARS:
        return f"longer than {CATALOG_PATTERN_MAX_CHARS} characters"
    try:
        re.compile(pattern)
        body: _Body = _parser.parse(pattern)
    except (re.error, OverflowError, RecursionError):
        return "not a regular expression"
    wide, broad = _open_repeats(body)
    if (
        any(_name(item) in {"GROUPREF", "GROUPREF_EXISTS"} for item in _items(body))
        or wide > CATALOG_PATTERN_REPEATS_MAX
        or broad > CATALOG_PATTERN_BROAD_REPEATS_MAX
        or any(_is_ambiguous(inner) for inner in _repeated(body))
        or _splits(body) > CATALOG_PATTERN_SPLITS_MAX
    ):
        return "can be too slow"
    return None


def _name(item: _Item) -> str:
    name: str = item[0].name
    return name


def _children(item: _Item) -> Iterator[_Body]:
    operand = item[1]
    match _name(item):
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            yield operand[2]
        case "SUBPATTERN":
            yield operand[3]
        case "BRANCH":
            yield from operand[1]
        case "ASSERT" | "ASSERT_NOT":
            yield operand[1]
        case "ATOMIC_GROUP":
            yield operand
        case "GROUPREF_EXISTS":
            yield from (body for body in operand[1:] if body is not None)


def _items(body: _Body) -> Iterator[_Item]:
    for item in body:
        yield item
        if _name(item) in _NESTED:
            for child in _children(item):
                yield from _items(child)


def _open_repeats(body: _Body) -> tuple[int, int]:
    """Return how many repeats without a small bound one match can pass, and how many broad ones."""
    wide = broad = 0
    for item in body:
        if _name(item) not in _NESTED:
            continue
        children = [_open_repeats(child) for child in _children(item)]
        # Of alternatives one matches.
        wide += max((count for count, _ in children), default=0)
        broad += max((count for _, count in children), default=0)
        if _name(item) in _REPEATS:
            low, high, inner = item[1]
            if int(high) >= _WIDE and high > low:
                wide += 1
                broad += len(_characters(inner)) >= _BROAD
    return wide, broad


def _splits(body: _Body) -> int:
    """Return in how many ways repeats with a small bound can split one text.

    Repeats count together until a character that none of them matches ends their text.
    """
    most = splits = 1
    seen: _Characters = frozenset()
    for item in _flat(body):
        if splits > 1 or seen:
            certain = _certain_start(item)
            if certain and not certain & seen:
                most, splits, seen = max(most, splits), 1, frozenset()
        if _name(item) in _NESTED:
            splits *= _item_splits(item)
            seen |= _variable_characters(item)
    return max(most, splits)


def _certain_start(item: _Item) -> _Characters:
    """Return the characters that an item begins with; empty if it can match nothing."""
    if _name(item) in _REPEATS:
        low, _, inner = item[1]
        return _end(inner) if low else frozenset()
    return _end([item])


def _flat(body: _Body) -> Iterator[_Item]:
    """Yield the items of a body with those of its groups in their place."""
    for item in body:
        if _name(item) in {"SUBPATTERN", "ATOMIC_GROUP"}:
            yield from _flat(next(_children(item)))
        elif _name(item) != "AT":
            yield item


def _item_splits(item: _Item) -> int:
    most = max(map(_splits, _children(item)), default=1)
    if _name(item) not in _REPEATS:
        return most
    low, high, inner = int(item[1][0]), int(item[1][1]), item[1][2]
    if high >= _WIDE or _name(item) == "POSSESSIVE_REPEAT":
        return most  # an open repeat is counted apart, and its body is not ambiguous
    runs: int = most**high if _is_ambiguous(inner) else most
    return runs * (high - low + 1)


def _variable_characters(item: _Item) -> _Characters:
    """Return what the repeats in an item, itself one or not, match if their length can differ."""
    variable = [characters for low, high, characters in _repeats([item]) if low != high]
    return frozenset().union(*variable)


def _repeats(body: _Body) -> Iterator[tuple[int, int, _Characters]]:
    """Yield (least, most, characters of its body) of each repeat."""
    for item in _items(body):
        if _name(item) in _REPEATS:
            low, high, inner = item[1]
            yield low, int(high), _characters(inner)


def _repeated(body: _Body) -> Iterator[_Body]:
    """Yield the body of each repeat whose runs could be told apart in too many ways.

    A few runs of a body without an open repeat multiply the time by a constant.
    """
    for item in _items(body):
        high, inner = (int(item[1][1]), item[1][2]) if _name(item) in _REPEATS else (0, ())
        if high > _FEW or (high > 1 and _open_repeats(inner)[0]):
            yield inner


def _is_ambiguous(body: _Body) -> bool:
    """Tell whether a repeated body can split one text in several ways.

    A body of fixed length without alternatives cannot. In another one nothing variable may match
    what something else variable does, and either its first or its last character, which must be
    certain, is matched by nothing variable. Alternatives must begin differently.
    """
    for item in _items(body):
        if _name(item) == "BRANCH" and any(starmap(_confused, combinations(item[1][1], 2))):
            return True
    variable = [characters for low, high, characters in _repeats(body) if low != high]
    if not variable:
        return False
    inner = frozenset().union(*variable)
    ends = (_end(body), _end(body, last=True))
    return _overlap(variable) or all(not end or bool(end & inner) for end in ends)


def _confused(left: _Body, right: _Body) -> bool:
    """Tell whether two alternatives may match at one place: words do if one begins the other."""
    one, other = _word(left), _word(right)
    if one is not None and other is not None:
        return one.startswith(other) or other.startswith(one)
    starts = _end(left), _end(right)
    return not all(starts) or _overlap(starts)


def _word(body: _Body) -> str | None:
    """Return the text of a body that is only that, in lower case."""
    if not all(_name(item) == "LITERAL" for item in body):
        return None
    return "".join(chr(item[1]) for item in body).lower()


def _overlap(sets: Sequence[_Characters]) -> bool:
    return any(left & right for left, right in combinations(sets, 2))


def _end(body: _Body, *, last: bool = False) -> _Characters:
    """Return the characters that a body must begin with, or end; empty where it is not certain."""
    for item in reversed(body) if last else body:
        match _name(item):
            case "SUBPATTERN" | "ATOMIC_GROUP":
                return _end(next(_children(item)), last=last)
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                low, high, inner = item[1]
                return _end(inner, last=last) if low == high and low > 0 else frozenset()
            case "BRANCH":
                ends = [_end(branch, last=last) for branch in item[1][1]]
                return frozenset().union(*ends) if all(ends) else frozenset()
            case "AT" | "ASSERT" | "ASSERT_NOT":
                continue
        return _matching(item)
    return frozenset()


def _characters(body: _Body) -> _Characters:
    """Return every character that a body can match."""
    leaves = (item for item in _items(body) if _name(item) not in _NESTED)
    return frozenset().union(*(_matching(item) for item in leaves))


def _matching(item: _Item) -> _Characters:
    return _matching_text(_name(item), repr(item[1]), item[1] if isinstance(item[1], int) else -1)


@lru_cache(maxsize=1024)
def _matching_text(name: str, operand: str, code: int) -> _Characters:
    if name == "AT":
        return frozenset()
    if name == "LITERAL":
        character = chr(code)
        return frozenset({character, character.lower(), character.upper()})
    if name == "ANY":
        return frozenset(_SAMPLE)
    if name == "NOT_LITERAL":
        return frozenset(_SAMPLE) - {chr(code)}
    return frozenset(_in_class(operand))


def _in_class(operand: str) -> Iterator[str]:
    """Yield the sample's characters in a class, read from the text of the parser's own form."""
    negated = "(NEGATE, None)" in operand
    codes = {int(code) for code in re.findall(r"\(LITERAL, (\d+)\)", operand)}
    ranges = [
        range(int(low), int(high) + 1)
        for low, high in re.findall(r"\(RANGE, \((\d+), (\d+)\)\)", operand)
    ]
    categories = re.findall(r"CATEGORY_(NOT_)?(DIGIT|SPACE|WORD)", operand)
    for character in _SAMPLE:
        inside = any(
            ord(each) in codes or any(ord(each) in span for span in ranges)
            for each in (character, character.lower(), character.upper())
            if len(each) == 1
        ) or any(_in_category(character, kind) is not bool(no) for no, kind in categories)
        if inside is not negated:
            yield character


def _in_category(character: str, kind: str) -> bool:
    match kind:
        case "DIGIT":
            return character.isdigit()
        case "SPACE":
            return character.isspace()
    return character.isalnum() or character == "_"
