"""The label of a key: one line of visible characters."""

from __future__ import annotations

import pytest

from byokd.protocol.errors import InvalidParams
from byokd.services.keys.label import checked_label


@pytest.mark.parametrize(
    ("label", "kept"),
    [
        (None, None),
        ("work", "work"),
        ("  work \t", "work"),
        ("Büro ✓", "Büro ✓"),
        ("a\u200db", "a\u200db"),  # a joiner is part of the word
        ("<b>work</b>", "<b>work</b>"),
    ],
)
def test_label_is_kept_without_spaces_around_it(label: str | None, kept: str | None) -> None:
    assert checked_label(label) == kept


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        (" \t", "is empty"),
        ("two\nlines", "has a line break or a control character"),
        ("a\x1b[2Jb", "has a line break or a control character"),
        ("a\u202eb", "has a line break or a control character"),
        ("a\u2028b", "has a line break or a control character"),
        ("a\u200bb", "has a line break or a control character"),
    ],
)
def test_label_that_would_look_like_another_is_refused(label: str, reason: str) -> None:
    with pytest.raises(InvalidParams) as refused:
        checked_label(label)
    assert refused.value.fields["details"] == [{"pointer": "/label", "reason": reason}]
    assert label.strip() not in refused.value.user_message or not label.strip()
