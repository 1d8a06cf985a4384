"""Think tags, cut anywhere."""

from __future__ import annotations

import pytest

from byokd.dialects.think_tags import ThinkTags

_TABLE = [
    ("<think>a</think>b", "a", "b"),
    ("\n <think>\na\n</think>\n\nb", "\na\n", "\n\nb"),
    ("<think></think>b", "", "b"),
    ("<think>a<</thin</think>b</think>", "a<</thin", "b</think>"),
    ("<think>a", "a", ""),
    ("<think>a</thi", "a</thi", ""),
    ("a<think>b</think>", "", "a<think>b</think>"),
    ("  a", "", "  a"),
    ("<thing>", "", "<thing>"),
    ("<th", "", "<th"),
    ("  ", "", "  "),
    ("", "", ""),
]


@pytest.mark.parametrize(("text", "reasoning", "rest"), _TABLE)
def test_split(text: str, reasoning: str, rest: str) -> None:
    for size in range(1, len(text) + 2):
        tags = ThinkTags()
        pieces = [tags.feed(text[at : at + size]) for at in range(0, len(text), size)]
        pieces.append(tags.close())
        assert ("".join(p[0] for p in pieces), "".join(p[1] for p in pieces)) == (reasoning, rest)
