"""Which regular expressions of a catalog file are refused: malformed ones, and slow ones."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from byokd.catalog.errors import load_errors, load_refusals
from byokd.catalog.families import families, shared_rows
from byokd.catalog.loader import load
from byokd.catalog.patterns import pattern_fault
from byokd.catalog.refresh import record_patterns
from byokd.core.limits import (
    CATALOG_PATTERN_BROAD_REPEATS_MAX,
    CATALOG_PATTERN_MAX_CHARS,
    CATALOG_PATTERN_REPEATS_MAX,
)

_SLOW = "can be too slow"

REFUSED = [
    (r"(a+)+$", _SLOW),
    (r"([a-z]+)*b", _SLOW),
    (r"(a|a)*b", _SLOW),
    (r"(a|ab)*c", _SLOW),
    (r"(a?){40}a{40}", _SLOW),
    (r"(.*,)*x", _SLOW),
    (r"(\w+\s?)*$", _SLOW),
    (r"(?:x+x+)+y", _SLOW),
    (r"(?P<a>(?P<b>\d+)+)+:", _SLOW),
    (r"(?=(a+)+b)", _SLOW),
    (r"(a)\1", _SLOW),
    (r"(a)?(?(1)b|c)", _SLOW),
    (r"(?:,|,a)*", _SLOW),
    (r"(?:-a+a+)*", _SLOW),
    (r"(?:[ -][\w-]+){0,4}", _SLOW),
    (r"(?:a|a){0,9}", _SLOW),
    (r"(?:the|the )*", _SLOW),
    (r"(?:a+a*-)*", _SLOW),
    (r"(?:[a-z]+[-a])*", _SLOW),
    (r"(?:\b\d*)*", _SLOW),
    ("a?" * 30 + "a{30}", _SLOW),
    (r"(?:a{0,127}){8}b", _SLOW),
    (r"a{0,127}a{0,127}[ab]{0,127}a{0,127}b", _SLOW),
    (r"(?:\w{1,7}){1,8}-", _SLOW),
    ("a{0,99}b?" * 5 + "c", _SLOW),
    ("a{0,99}(?!c)" * 5 + "b", _SLOW),
    ("a{0,99}(?:b|c?)" * 5 + "d", _SLOW),
    (r"(?:aa?){8}(?:aa?){8}(?:aa?){8}b", _SLOW),
    (r"(?:x|.{0,99}(?:\w{0,99} {0,9}){1,4}),", _SLOW),
    (r".{0,99}(?:a|b{0,99}){1,4}\w{0,99}\W", _SLOW),
    ("(", "not a regular expression"),
    ("a{2,1}", "not a regular expression"),
    ("a" * CATALOG_PATTERN_MAX_CHARS + "b", "longer than 4000 characters"),
]

ACCEPTED = [
    "",
    "gpt-[6-9]",
    r"^claude-(opus|sonnet)-\d+$",
    r"(?:_[a-z]+)+",
    r"(?:[a-z]+-)*\d",
    r"(?P<names>\w[\w.]*(?:', ?'\w[\w.]*)*)",
    r"(?:a|b|cd)+",
    r"(?:the |this |an? )*image",
    r"(?:(?:none|max|minimal)\b\W{0,8}){2,}",
    r"(?:a|a){0,8}",
    r"(?:[ -]\w+){0,6}",
    r"(?:[ab]|b)+c",  # read as one class
    r"\d{3}(-\d{2}){2}",
    r"(?i:too (?:long|large)).*tokens",
    r"(?!.*mini)gpt",
    r"a.*b.*|b.*c.*|c.*d.*",
    r"a{1,60}b{1,60}",
    ",".join([r"\d{1,9}"] * 30),
    r"\d{1,99}+" * 9,
    r".{0,80}model.{0,80} is [^.]{0,80}gone",
    "a" * CATALOG_PATTERN_MAX_CHARS,
]


@pytest.mark.parametrize(("pattern", "fault"), REFUSED)
def test_pattern_is_refused(pattern: str, fault: str) -> None:
    assert pattern_fault(pattern) == fault


@pytest.mark.parametrize("pattern", ACCEPTED)
def test_pattern_is_accepted(pattern: str) -> None:
    re.compile(pattern)
    assert pattern_fault(pattern) is None


def test_number_of_open_repeats_is_bounded() -> None:
    most = ",".join(["x+"] * CATALOG_PATTERN_REPEATS_MAX)
    assert pattern_fault(most) is None
    assert pattern_fault(f"{most},x+") == _SLOW


def test_number_of_broad_repeats_is_bounded() -> None:
    most = ",".join([".*"] * CATALOG_PATTERN_BROAD_REPEATS_MAX)
    assert pattern_fault(most) is None
    assert pattern_fault(f"{most},[^x]*") == _SLOW


def _shipped() -> Iterator[tuple[str, str]]:
    for record in load().values():
        yield from ((f"{record.id}.{place}", text) for place, text in record_patterns(record))
    yield from ((f"families.{name}", text) for name, text in families().items())
    yield from (("families", text) for row in shared_rows() for _, text in record_patterns(row))
    yield from (("errors", row.when.message or "") for row in load_errors())
    yield from (("refusals", row.message) for row in load_refusals())


@pytest.mark.parametrize(("place", "pattern"), list(_shipped()))
def test_shipped_pattern_would_be_accepted_from_a_file(place: str, pattern: str) -> None:
    """A pattern that fails here is slow on some text; make each repeat begin distinctly."""
    assert pattern_fault(pattern) is None, place
