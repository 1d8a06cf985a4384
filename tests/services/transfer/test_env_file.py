"""`.env` files, row by row: values, and lines that are refused instead of guessed."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from byokd.services.transfer.env_file import Line, read_lines

READ: list[tuple[str, str, str | None]] = [
    ("plain", "A=b", "b"),
    ("spaces around", "  A = b  ", "b"),
    ("tabs around", "\tA\t=\tb\t", "b"),
    ("export", "export A=b", "b"),
    ("export with more space", "  export \t A=b", "b"),
    ("empty", "A=", ""),
    ("empty and a comment", "A= # nothing", ""),
    ("comment after", "A=b # c", "b"),
    ("comment after a tab", "A=b\t#c", "b"),
    ("a number sign inside", "A=b#c", "b#c"),
    ("an equals sign inside", "A=b=c==", "b=c=="),
    ("single quotes", "A='b c'", "b c"),
    ("single quotes are literal", r"A='$b \n `c`'", r"$b \n `c`"),
    ("a number sign in quotes", "A='b # c'", "b # c"),
    ("double quotes", 'A="b c"', "b c"),
    ("escapes", r'A="b\n\t\"\\c"', 'b\n\t"\\c'),
    ("an escaped dollar", r'A="\$b"', "$b"),
    ("several lines in double quotes", 'A="b\nc"', "b\nc"),
    ("several lines in single quotes", "A='b\nB=x\nc'", "b\nB=x\nc"),
    ("comment after a quote", "A='b' # c", "b"),
    ("a line end of Windows", "A=b\r\n", "b"),
    ("a byte order mark", "\ufeffA=b", "b"),
    ("no newline after quotes", 'A="b"', "b"),
]

REFUSED: list[tuple[str, str, str]] = [
    ("a variable", "A=$B", "substitution"),
    ("a variable in braces", "A=sk-${B}", "substitution"),
    ("a variable in quotes", 'A="x$B"', "substitution"),
    ("a command", "A=$(cat key)", "syntax"),
    ("a command without spaces", "A=$(id)", "substitution"),
    ("a command in quotes", 'A="$(cat key)"', "substitution"),
    ("a backtick", "A=`id`", "substitution"),
    ("a backslash before an escaped one", r'A="\\$B"', "substitution"),
    ("two words", "A=b c", "syntax"),
    ("a quote inside", "A=b'c'", "syntax"),
    ("a backslash inside", r"A=b\ c", "syntax"),
    ("text after a quote", "A='b'c", "syntax"),
    ("an open single quote", "A='b", "unclosedQuote"),
    ("an open double quote", 'A="b\\"', "unclosedQuote"),
]


@pytest.mark.parametrize(("text", "value"), [row[1:] for row in READ], ids=[r[0] for r in READ])
def test_value_is_read(text: str, value: str | None) -> None:
    assert list(read_lines(text)) == [Line(1, "A", value)]


@pytest.mark.parametrize(
    ("text", "fault"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_value_is_refused(text: str, fault: str) -> None:
    [line] = read_lines(text)
    assert (line.name, line.value, line.fault) == ("A", None, fault)


@pytest.mark.parametrize("text", ["", "\n\n", "# A=b", "  # A=b\n", "\t\n \n#\n"])
def test_comments_and_empty_lines_are_ignored(text: str) -> None:
    assert list(read_lines(text)) == []


@pytest.mark.parametrize("text", ["A", "A:b", "1A=b", "A-B=c", "=b", "export A", ". ./other"])
def test_line_without_an_assignment_is_reported(text: str) -> None:
    assert list(read_lines(text)) == [Line(1, None, None, "syntax")]


def test_lines_are_numbered_across_quoted_values() -> None:
    text = "# one\nA=1\n\nB='x\ny\nz'\nC=3\nD=$A\nE='never\nF=6"
    lines = [(line.number, line.name, line.value, line.fault) for line in read_lines(text)]
    assert lines == [
        (2, "A", "1", None),
        (4, "B", "x\ny\nz", None),
        (7, "C", "3", None),
        (8, "D", None, "substitution"),
        (9, "E", None, "unclosedQuote"),
    ]


@given(st.text(alphabet="A=b'\"\\$`# \n\texport", max_size=60))
def test_any_text_can_be_parsed(text: str) -> None:
    numbers = [line.number for line in read_lines(text)]
    assert numbers == sorted(set(numbers))
    assert all(1 <= number <= text.count("\n") + 1 for number in numbers)


def test_largest_file_is_parsed() -> None:
    for text in ("\\" * 262_144, "A='" + "x" * 262_140, "A=" + '"' * 262_140, "#\n" * 131_072):
        assert len(list(read_lines(text))) < 2
