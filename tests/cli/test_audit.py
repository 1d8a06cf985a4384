"""The details of an audit entry in the table of `byokd audit list`."""

from __future__ import annotations

import pytest

from byokd.cli import audit, terminal
from byokd.protocol.audit import AuditEntry
from byokd.protocol.base import JsonObject

AT = 1_795_688_037_507

SHOWN: list[tuple[JsonObject, str]] = [
    ({"cause": "store", "httpStatus": 200}, ": cause store, httpStatus 200"),
    ({"count": 2, "firstAt": AT}, f": count 2, firstAt {terminal.when(AT)}"),
    ({"label": None, "allowInsecureOrigin": False}, ""),
    ({"from": ["a", 1]}, ': from ["a",1]'),
]


@pytest.mark.parametrize(("details", "shown"), SHOWN)
def test_details_show_texts_and_times(
    details: JsonObject, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = AuditEntry(
        seq=1, at=AT, event="key.use", provider="some", key_id=None, actor="me", details=details
    )
    audit.show([entry])
    assert f"some{shown} (by me)" in " ".join(capsys.readouterr().out.split())
