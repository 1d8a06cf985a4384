"""Text from providers and files cannot control the terminal; tables, errors and times."""

from __future__ import annotations

import io
import sys
import unicodedata

import pytest

from byokd.cli import terminal

PAYLOADS: dict[str, tuple[str, str]] = {
    "colour": ("\x1b[31mred\x1b[0m", "[31mred[0m"),
    "clear the screen": ("\x1b[2J\x1b[H", "[2J[H"),
    "cursor up and overwrite": ("safe\x1b[1A\x1b[2Kevil", "safe[1A[2Kevil"),
    "report the cursor's place (typed back as input)": ("\x1b[6n", "[6n"),
    "report the device": ("\x1b[c\x1bZ", "[cZ"),
    "window title": ("\x1b]0;title\x07", "]0;title"),
    "clipboard by OSC 52": ("\x1b]52;c;ZXZpbA==\x07", "]52;c;ZXZpbA=="),
    "link by OSC 8": (
        "\x1b]8;;http://evil.test\x1b\\click\x1b]8;;\x1b\\",
        "]8;;http://evil.test\\click]8;;\\",
    ),
    "device control string": ("\x1bP+q544e\x1b\\", "P+q544e\\"),
    "application command": ("\x1b_Gi=1\x1b\\", "_Gi=1\\"),
    "privacy message": ("\x1b^x\x1b\\", "^x\\"),
    "eight-bit CSI": ("\x9b31mred", "31mred"),
    "eight-bit OSC": ("\x9d52;c;eA==\x9c", "52;c;eA=="),
    "eight-bit DCS": ("\x90q\x9c", "q"),
    "next line": ("a\x85b", "ab"),
    "carriage return": ("error\rall fine", "errorall fine"),
    "backspace": ("evil\b\b\b\bgood", "evilgood"),
    "bell, null and delete": ("a\x07\x00\x7fb", "ab"),
    "vertical tab and form feed": ("a\x0b\x0cb", "ab"),
    "shift out": ("\x0ex\x0f", "x"),
    "right-to-left override": ("txt.\u202eexe", "txt.exe"),
    "every bidi embedding": ("\u202a\u202b\u202c\u202d\u202ex", "x"),
    "every bidi isolate": ("\u2066\u2067\u2068\u2069x", "x"),
    "bidi marks": ("\u200e\u200f\u061cx", "x"),
    "zero width space and joiner of words": ("a\u200bb\u2060c", "abc"),
    "byte order mark": ("\ufeffx", "x"),
    "soft hyphen": ("pass\u00adword", "password"),
    "tags that spell a hidden prompt": ("x\U000e0069\U000e0067\U000e007f", "x"),
    "interlinear annotation": ("\ufff9a\ufffab\ufffb", "ab"),
    "line and paragraph separator": ("a\u2028b\u2029c", "abc"),
    "lone surrogate": ("a\ud800b", "ab"),
    "a flood of combining marks": (
        "a" + "\u0300\u20dd" * 500 + "b",
        "a" + "\u0300\u20dd" * 4 + "b",
    ),
    "escape inside an escape": ("\x1b\x1b[31m", "[31m"),
}

UNCHANGED = (
    "plain",
    "two\nlines\tand a tab",
    "déjà vu · 漢字 · русский · עברית · العربية",
    "family 👨‍👩‍👧 and می‌خواهم",
    "[bold]not markup[/bold] :smile: {braces}",
    "",
)


@pytest.mark.parametrize(("text", "shown"), PAYLOADS.values(), ids=PAYLOADS.keys())
def test_clean_removes_control_characters(text: str, shown: str) -> None:
    assert terminal.clean(text) == shown
    # a stream may be cut anywhere: character by character gives the same
    cleaner = terminal.Cleaner()
    assert "".join(cleaner.feed(character) for character in text) == shown


@pytest.mark.parametrize("text", UNCHANGED)
def test_clean_keeps_visible_text(text: str) -> None:
    assert terminal.clean(text) == text


def test_clean_leaves_no_control_character() -> None:
    categories, directions = {"Cc", "Cf", "Cs", "Zl", "Zp"}, "LRE RLE LRO RLO PDF LRI RLI FSI PDI"
    acting = [
        character
        for character in map(chr, range(sys.maxunicode + 1))
        if unicodedata.category(character) in categories
        or unicodedata.bidirectional(character) in directions.split()
    ]
    assert len(acting) > 2000  # the surrogates alone are 2048
    assert set(terminal.clean("".join(acting))) == set("\n\t\u200c\u200d")


def test_table_cells_are_cleaned(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.table(("a\x1b[31m", "b"), [("x\x1b[2J\nsecond line", "[red]no markup[/red]")])
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "x[2J second line" in out
    assert "[red]no markup[/red]" in out


def test_table_wraps_at_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    long = "abcdefghij" * 12
    terminal.table(("one", "two"), [(long, "x" * 30)])
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert out.replace("\n", "").replace(" ", "").count("abcdefghij") >= 9
    assert "…" not in out


def test_copied_column_is_not_wrapped(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    long = "abcdefghij" * 12
    terminal.table(("one", "two"), [(long, "x" * 30), ("short", "y")], copied=True)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[-2:]] == [[long, "x" * 30], ["short", "y"]]


def test_empty_table_prints_a_note(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.table(("one",), [])
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "nothing to list\n")


def test_error_and_hint_are_two_lines(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.fail("it broke\nhere \x1b[31m", "mend it")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "error: it broke here [31m\nhint: mend it\n"


def test_facts_leave_out_empty_values(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.facts([("one", "1"), ("two", None), ("three", "")])
    assert capsys.readouterr().out.split() == ["one", "1"]


@pytest.mark.parametrize("no_color", ["", "1"])
def test_pipe_gets_no_colour(monkeypatch: pytest.MonkeyPatch, no_color: str) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    terminal.say("quiet", dim=True)
    assert stream.getvalue() == "quiet\n"


def test_times_are_in_the_local_zone() -> None:
    assert terminal.when(None) is None
    shown_time = terminal.when(1_763_870_000_000)
    assert shown_time is not None
    assert shown_time.startswith("2025-11-2")
