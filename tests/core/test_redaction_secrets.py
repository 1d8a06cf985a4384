"""A secret is redacted in every spelling and wherever its text is cut, and nothing else is held."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given, settings, strategies as st

from byokd.core.limits import KEY_MIN_CHARS, REDACTED_TAIL_MIN_CHARS
from byokd.core.redaction.secrets import IncrementalRedactor, SecretRedactor
from byokd.core.secret import MASK, Secret

_KEY = "sk-ant-api03-Ab/Cd+Ef=Gh&Ij%Kl\"Mn'Op\\Qr<St>9"
_TOKEN = "FwoGZXIvYXdzEJr" + "x/Y+9" * 300
_SHORT = "sk-ant-a"
_REDACTOR = SecretRedactor([Secret(_KEY), Secret(_TOKEN), Secret(_SHORT)])

_SPELLINGS = {
    "raw": _KEY,
    "in a URL": quote(_KEY, safe=""),
    "in a path": quote(_KEY),
    "in a URL, lower case": quote(_KEY, safe="").replace("%2B", "%2b").replace("%2F", "%2f")
    .replace("%3D", "%3d").replace("%22", "%22").replace("%5C", "%5c").replace("%3C", "%3c")
    .replace("%3E", "%3e"),
    "in JSON": json.dumps(_KEY)[1:-1],
    "in PHP's JSON": json.dumps(_KEY)[1:-1].replace("/", "\\/"),
    "in Go's JSON": json.dumps(_KEY)[1:-1].replace("&", "\\u0026").replace("<", "\\u003c")
    .replace(">", "\\u003e"),
    "a session token": _TOKEN,
    "another key with the same beginning": _SHORT,
}  # fmt: skip


@pytest.mark.parametrize("spelling", _SPELLINGS.values(), ids=_SPELLINGS.keys())
def test_every_spelling_is_redacted(spelling: str) -> None:
    assert _REDACTOR.redact(f"a {spelling}, {spelling}{spelling} z") == f"a {MASK}, {MASK}{MASK} z"
    assert _REDACTOR.redact(spelling) == MASK


@pytest.mark.parametrize("before", ["", "x", "xy", "Basic user:", "\xe9\xe9"])
@pytest.mark.parametrize("after", ["", ":", "::", "and more"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_is_redacted_at_every_alignment(before: str, after: str, encode: object) -> None:
    assert callable(encode)
    text = encode(f"{before}{_KEY}{after}".encode()).decode()
    shown = _REDACTOR.redact(f"header {text};")
    assert MASK in shown
    # The rest on either side shares bytes with text around the secret: at most one character.
    left = base64.b64decode(shown.removeprefix("header ").split(MASK)[0] + "==", validate=False)
    assert len(left.decode(errors="ignore")) <= len(before) + 1
    assert len(shown) <= len(text) - len(_KEY) + 16


def test_beginning_of_a_secret_at_the_end_of_a_text_is_redacted() -> None:
    for size in range(1, len(_KEY)):
        whole = f"the key {_KEY[:size]}"
        shown = SecretRedactor([Secret(_KEY)]).redact(whole)
        assert shown == (whole if size < REDACTED_TAIL_MIN_CHARS else f"the key {MASK}"), size


def test_secret_shorter_than_any_key_is_ignored() -> None:
    assert SecretRedactor([Secret("x" * (KEY_MIN_CHARS - 1))]).redact("x" * 50) == "x" * 50
    assert SecretRedactor([Secret("x" * KEY_MIN_CHARS)]).redact("x" * 16) == MASK * 2
    assert SecretRedactor([]).is_empty
    assert SecretRedactor([Secret("")]).is_empty


def _streamed(text: str, cuts: list[int]) -> str:
    flow, start, shown = IncrementalRedactor(_REDACTOR), 0, ""
    for cut in [*sorted(cuts), len(text)]:
        shown += flow.feed(text[start:cut])
        start = max(start, cut)
    return shown + flow.end()


@pytest.mark.parametrize("spelling", [*_SPELLINGS.values()][:5], ids=[*_SPELLINGS][:5])
def test_secret_in_two_pieces_is_redacted(spelling: str) -> None:
    text = f"it is {spelling}, s"
    for cut in range(len(text)):
        assert _streamed(text, [cut]) == f"it is {MASK}, s"
    assert _streamed(text, [*range(len(text))]) == f"it is {MASK}, s"


_PIECES = st.sampled_from(
    [_KEY, _KEY[:20], _KEY[5:], _SHORT, _SHORT[:-1], "s", "sk-", "sk-ant-", "k-ant", " ", "text",
     _TOKEN, _TOKEN[:40], _KEY[-3:], json.dumps(_KEY)[1:-1]]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(_PIECES, max_size=12).map("".join), st.lists(st.integers(0, 400), max_size=30))
def test_pieces_give_the_same_result_as_the_whole_text(text: str, cuts: list[int]) -> None:
    whole = _REDACTOR.redact(text)
    assert _streamed(text, cuts) == whole
    assert _KEY not in whole
    assert _TOKEN not in whole


def test_only_a_possible_beginning_of_a_secret_is_held() -> None:
    flow = IncrementalRedactor(SecretRedactor([Secret(_KEY)]))
    for piece, held in [
        ("plain text", ""), ("its", "s"), (" own", ""), ("sk-", "sk-"), ("ant-x", ""),
        ("sk", "sk"), ("sk-ant", "sk-ant"), ("!", ""), ("s" * 9, "s"), ("", "s"),
    ]:  # fmt: skip
        shown = flow.feed(piece)
        assert flow.held == held, piece
        assert held or shown.endswith(piece)
    piece = "not a copy"
    assert IncrementalRedactor(_REDACTOR).feed(piece) is piece


def test_long_text_is_redacted_like_a_short_one() -> None:
    filling = "QUJD" * 5000
    for text, shown in [
        (filling, filling),
        (f"{filling}{_KEY}{filling}", f"{filling}{MASK}{filling}"),
        (f"{filling}{_KEY[:20]}", f"{filling}{MASK}"),
        (f"{filling}{_TOKEN[:1400]}", f"{filling}{MASK}"),
    ]:
        assert _REDACTOR.redact(text) == shown
    flow = IncrementalRedactor(_REDACTOR)
    assert flow.feed(filling + _TOKEN[:900]) == filling
    assert flow.feed(_TOKEN[900:] + filling) == MASK + filling


def test_cached_pattern_has_at_most_three_characters_of_a_secret() -> None:
    begin = SecretRedactor([Secret(_KEY)])._begin
    assert begin is not None
    assert _KEY[:4] not in begin.pattern
